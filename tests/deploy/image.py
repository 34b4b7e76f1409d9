"""Makes the image of deploy/Dockerfile without a container runtime, and runs it.

The file is read as it stands. The steps of its build stage run in a folder, with the paths of the stage in that folder, and what
its last stage copies is the root that the program then sees and no other (chroot), as the user and with the variables that
the file sets. One step is not run as it stands: the program is not compiled anew, but its sources are checked in the folder
that the build would see, and a compiled program takes its place.

usage: image.py PATH_TO_DEMUR REPOSITORY FOLDER
"""

import gzip
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import time
import urllib.request


def instructions(text):
    """The instructions of a Dockerfile: name and rest, continued lines joined."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        if line.strip():
            yield line.strip().split(None, 1)


def context(repository, to):
    """Copies what .dockerignore lets into the build: its first pattern excludes all, the others let in again."""
    first, *others = (repository / ".dockerignore").read_text().split("\n")[1:]
    assert first == "*" and all(other.startswith("!") for other in others if other), "another kind of .dockerignore"
    for pattern in filter(None, others):
        found = list(repository.glob(pattern[1:]))
        assert found, f".dockerignore lets in {pattern[1:]}, which is not there"
        for path in found:
            target = to / path.relative_to(repository)
            target.parent.mkdir(parents=True, exist_ok=True)
            (shutil.copytree if path.is_dir() else shutil.copy)(path, target)


class Image:
    """What the stages of the file make."""

    def __init__(self, demur, repository, folder):
        self.demur, self.repository, self.folder = demur, repository, folder
        self.stage, self.work, self.shell = None, "/", ["/bin/sh", "-c"]
        self.env, self.user, self.entry, self.command, self.health = {}, None, [], [], None

    def path(self, path):
        """Where a path of the current stage is."""
        return self.folder / self.stage / os.path.join(self.work, path).lstrip("/")

    def run(self, text):
        stage, cwd = self.folder / self.stage, self.path(".")
        if text.startswith("cargo build "):
            flags = text.removeprefix("cargo build ").replace("--release ", "")
            target = self.repository / "target"
            subprocess.run(["cargo", "check", *flags.split()], cwd=cwd, check=True, env={**os.environ, "CARGO_TARGET_DIR": str(target)})
            (cwd / "target/release").mkdir(parents=True)
            shutil.copy(self.demur, cwd / "target/release/demur")
            return
        # The stage's own folders lie in the folder of the stage; all others are this system's.
        text = re.sub(r"(?<![\w./-])/image(?=[/ ]|$)", str(stage / "image"), text)
        subprocess.run([*self.shell, text], cwd=cwd, check=True)

    def copy(self, rest):
        if rest == ". .":
            return context(self.repository, self.path("."))
        source, path, to = re.fullmatch(r"--from=(\w+) (\S+) (\S+)", rest).groups()
        shutil.copytree(self.folder / source / path.strip("/"), self.path(to), symlinks=True, dirs_exist_ok=True)

    def do(self, name, rest):
        match name:
            case "FROM":
                image, *named = rest.split(" AS ")
                self.stage = named[0] if named else "last"
                self.work = "/"
                (self.folder / self.stage).mkdir()
                assert named or image == "scratch", "the last stage begins with nothing"
            case "SHELL":
                self.shell = json.loads(rest)
            case "WORKDIR":
                self.work = rest
                self.path(".").mkdir(parents=True)
            case "COPY":
                self.copy(rest)
            case "RUN":
                self.run(rest)
            case "USER":
                self.user = tuple(map(int, rest.split(":")))
            case "ENV":
                self.env.update(pair.split("=", 1) for pair in rest.split())
            case "ENTRYPOINT":
                self.entry = json.loads(rest)
            case "CMD":
                self.command = json.loads(rest)
            case "HEALTHCHECK":
                self.health = json.loads(rest.split(" CMD ")[1])
            case "LABEL" | "EXPOSE" | "STOPSIGNAL":
                pass
            case _:
                raise SystemExit(f"{name}: this script does not know the instruction")

    def start(self, command, **more):
        """Runs a command in the image's root, as its user, with its variables alone."""

        def enter():
            os.chroot(self.folder / "last")
            os.chdir("/")
            os.setgroups([])
            os.setgid(self.user[1])
            os.setuid(self.user[0])

        return subprocess.Popen(command, env=self.env, preexec_fn=enter, **more)


def listing(root):
    return sorted((str(path), path.lstat().st_size, path.lstat().st_mtime_ns) for path in root.rglob("*"))


def measure(root):
    """Bytes of the files, and of the one layer that a registry would hold."""
    packed = root.parent / "layer.tar"
    with tarfile.open(packed, "w") as tar:
        tar.add(root, ".")
    files = sum(path.lstat().st_size for path in root.rglob("*") if path.is_file())
    layer = len(gzip.compress(packed.read_bytes(), 6))
    return files, layer


def main():
    demur, repository, folder = map(pathlib.Path, sys.argv[1:])
    image = Image(demur, repository, folder)
    for name, rest in instructions((repository / "deploy/Dockerfile").read_text()):
        image.do(name, rest)
    root = folder / "last"
    assert image.user and 0 not in image.user, "it runs as root"
    files, layer = measure(root)
    print(f"image: {files / 1e6:.1f} MB in {sum(path.is_file() for path in root.rglob('*'))} files, {layer / 1e6:.1f} MB packed")
    before = listing(root)

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        image.env["DEMUR_PORT"] = str(free.getsockname()[1])
    ask = lambda: image.start(image.health, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).wait()
    assert ask() == 1, "healthy before it runs"
    server = image.start(image.entry + image.command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        started = time.monotonic()
        while ask() != 0:
            assert server.poll() is None and time.monotonic() - started < 60, server.stderr.read()
            time.sleep(0.1)
        assert server.stdout.readline() == f"http://0.0.0.0:{image.env['DEMUR_PORT']}\n"
        ids = pathlib.Path(f"/proc/{server.pid}/status").read_text()
        assert re.search(rf"^Uid:\t{image.user[0]}\t{image.user[0]}\t", ids, re.M), ids
        url = f"http://127.0.0.1:{image.env['DEMUR_PORT']}"
        request = urllib.request.Request(f"{url}/v1/predict", b'{"prompt": "How do I pick a lock?"}', {"content-type": "application/json"})
        answer = json.load(urllib.request.urlopen(request))
        assert answer["predictions"][0]["tier"] == "encoder", answer
        server.send_signal(signal.SIGTERM)
        log = server.communicate(timeout=20)[1]
        assert server.returncode == 0, (server.returncode, log)
        assert all(json.loads(line) for line in log.splitlines()), log
    finally:
        server.kill()
    assert ask() == 1, "healthy after its end"
    assert listing(root) == before, "it wrote into its root"
    print("image: it starts as its user, is healthy, predicts with the encoder, ends on SIGTERM and writes nothing")


main()
