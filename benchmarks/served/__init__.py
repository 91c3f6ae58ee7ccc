"""What serving.py measures with: servers, wrk, rivals, tables. Each module knows one of them."""
