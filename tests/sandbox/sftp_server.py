"""The SFTP server of a school, on this machine: asyncssh over a folder that is made for it. Does wrong on demand."""

import asyncio
import contextlib
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import asyncssh

USER, PASSWORD = "webadmit", "correct-horse-battery"
FOLDER = "/incoming/webadmit"


class SftpServer:
    """Serves `root`. `is_full` and `never_renames` make it fail as such servers do; `refuses`: logins, all of them.

    `after_each`: called after each change, with what lies in the folder then.
    """

    def __init__(self) -> None:
        self._made = tempfile.TemporaryDirectory(prefix="sandbox-sftp-")
        self.root = Path(self._made.name)
        self.folder = self.root / FOLDER.removeprefix("/")
        self.folder.mkdir(parents=True)
        self._keys = {kind: asyncssh.generate_private_key(kind) for kind in ("ssh-rsa", "ecdsa-sha2-nistp256")}
        self._first_keys = self._keys
        self.is_full = self.never_renames = self.refuses = False
        self.after_each: Callable[[dict[str, bytes]], None] = lambda files: None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._port = 0
        self.go_up()

    @property
    def url(self) -> str:
        return f"sftp://127.0.0.1:{self._port}"

    @property
    def host_keys(self) -> str:
        """As `SftpHostKeys` has them: type and body, without a comment."""
        return ",".join(" ".join(key.export_public_key().decode().split()[:2]) for key in self._keys.values())

    def files(self) -> dict[str, bytes]:
        """What lies in the folder."""
        found: dict[str, bytes] = {}
        for path in sorted(self.folder.iterdir()) if self.folder.exists() else ():
            with contextlib.suppress(FileNotFoundError):
                found[path.name] = path.read_bytes()
        return found

    def go_up(self) -> None:
        """Listens, on the port that it had before."""
        self._listener = self._run(self._listen())
        self._port = self._listener.get_port()

    def go_down(self) -> None:
        """Takes no connection any more."""
        self._listener.close()
        self._run(self._listener.wait_closed())

    def begin_anew(self) -> None:
        """Up and empty, and as it should be."""
        self.is_full = self.never_renames = self.refuses = False
        self.after_each = lambda files: None
        self.go_down()
        self._keys = self._first_keys
        self.folder.mkdir(parents=True, exist_ok=True)
        for path in self.folder.iterdir():
            path.unlink()
        self.go_up()

    def change_host_keys(self) -> None:
        """As if the server had been set up anew."""
        self.go_down()
        self._keys = {kind: asyncssh.generate_private_key(kind) for kind in self._keys}
        self.go_up()

    def stop(self) -> None:
        self.go_down()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._made.cleanup()

    def _run(self, what: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(what, self._loop).result(10)

    async def _listen(self) -> Any:
        server = self

        class Login(asyncssh.SSHServer):
            def begin_auth(self, username: str) -> bool:
                return True

            def password_auth_supported(self) -> bool:
                return True

            def validate_password(self, username: str, password: str) -> bool:
                return not server.refuses and (username, password) == (USER, PASSWORD)

        return await asyncssh.listen(
            "127.0.0.1",
            self._port,
            server_factory=Login,
            server_host_keys=list(self._keys.values()),
            sftp_factory=lambda channel: _Files(channel, server),
            reuse_address=True,
        )


class _Files(asyncssh.SFTPServer):
    """Behaves as OpenSSH does: a rename onto a file that exists fails."""

    def __init__(self, channel: Any, server: SftpServer) -> None:
        super().__init__(channel, chroot=str(server.root).encode())
        self._server = server

    def write(self, file_obj: Any, offset: int, data: bytes) -> Any:
        if self._server.is_full:
            file_obj.write(data[: len(data) // 2])
            file_obj.flush()
            self._noted()
            raise asyncssh.SFTPFailure("No space left on device")
        written = super().write(file_obj, offset, data)
        file_obj.flush()
        self._noted()
        return written

    def rename(self, oldpath: bytes, newpath: bytes) -> Any:
        if self._server.never_renames:
            raise asyncssh.SFTPPermissionDenied("Permission denied")
        if Path(self.map_path(newpath).decode()).exists():
            raise asyncssh.SFTPFailure("Failure")
        done = super().rename(oldpath, newpath)
        self._noted()
        return done

    def remove(self, path: bytes) -> Any:
        done = super().remove(path)
        self._noted()
        return done

    def _noted(self) -> None:
        self._server.after_each(self._server.files())


@contextlib.contextmanager
def sftp_server() -> Iterator[SftpServer]:
    server = SftpServer()
    try:
        yield server
    finally:
        server.stop()
