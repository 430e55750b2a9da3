"""Reports as single HTML files: no script, nothing fetched, fit for printing."""
