"""MLflow's pages over a folder of files, at an address that nobody can guess.

Runs in the environment of locks/mlflow.txt, with the standard library beside it. Its settings are one
JSON object in the variable INNERLOOP_VIEWER, since every user can read a command line.
"""

import importlib
import json
import os


def main() -> None:
    settings = json.loads(os.environ.pop("INNERLOOP_VIEWER"))
    prefix = settings["prefix"]
    # What `mlflow server` sets for its workers. Source: MLflow, `mlflow/server/__init__.py`.
    os.environ |= {
        "MLFLOW_ALLOW_FILE_STORE": "true",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        "MLFLOW_TRACKING_URI": settings["folder"],
        "_MLFLOW_SERVER_FILE_STORE": settings["folder"],
        "_MLFLOW_SERVER_ARTIFACT_ROOT": settings["folder"],
        "_MLFLOW_STATIC_PREFIX": prefix,
    }
    if host := settings["forwarded"]:  # else it refuses the names under which a browser asks
        os.environ |= {
            "MLFLOW_SERVER_ALLOWED_HOSTS": f"localhost:*,127.0.0.1:*,{host}",
            "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": f"https://{host}",
        }
    pages = importlib.import_module("mlflow.server").app

    def alone(environ, start_response):  # type: ignore[no-untyped-def]
        """Nothing is answered outside of the secret path: MLflow's API has another one."""
        path = environ.get("PATH_INFO", "")
        if path == prefix or path.startswith(f"{prefix}/"):
            return pages(environ, start_response)
        start_response("404 Not Found", [("Content-Type", "text/plain")])
        return [b"nothing is served here\n"]

    serving = importlib.import_module("werkzeug.serving")
    server = serving.make_server("127.0.0.1", settings["port"], alone, threaded=True)
    print("READY", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
