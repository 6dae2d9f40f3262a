"""What is answered over HTTP: metrics and health. Only importer of starlette and uvicorn."""
