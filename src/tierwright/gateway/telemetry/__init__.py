"""What an OpenTelemetry collector is told, with the extra `otel`."""
