"""A source of raw files on loopback, and small files in the place of the published ones."""

import hashlib
import http.server
import threading

from oversmooth.graphs import files


class Mirror:
    """Serves a folder: what it was asked for, and how often the sending of a file breaks off in the middle."""

    def __init__(self, folder):
        self.folder, self.asked, self.breaks = folder, [], {}
        mirror = self

        class Handler(http.server.SimpleHTTPRequestHandler):
            def __init__(self, *arguments):
                super().__init__(*arguments, directory=str(folder))

            def log_message(self, *_):
                pass

            def do_GET(self):
                name = self.path.rpartition("/")[2]
                mirror.asked.append(name)
                if mirror.breaks.get(name, 0) < 1:
                    return super().do_GET()
                mirror.breaks[name] -= 1
                content = (folder / name).read_bytes()
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content[: len(content) // 2])
                self.close_connection = True

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def small_files(folder, monkeypatch):
    """Files of Cora's and minesweeper's names, a kilobyte each, and their sums in the place of the recorded ones."""
    paths = [*files.files_of("Planetoid", "Cora"), *files.files_of("HeterophilousGraphDataset", "minesweeper")]
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(path.encode() * 20)
    sums = {path: hashlib.sha256((folder / path).read_bytes()).hexdigest() for path in paths}
    monkeypatch.setattr(files, "RAW_SHA256", {**files.RAW_SHA256, **sums})
    return folder
