"""What is answered over HTTP: metrics, health, and calls of apps. Only importer of starlette and uvicorn."""
