"""Floor 2: request to Inference: wire, server, routing, capture, backends. Imports specialists, economics, core."""
