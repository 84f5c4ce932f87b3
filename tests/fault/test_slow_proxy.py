"""A machine that starts, or has far too much to do, may need longer for HAProxy's start than cratond waits at first."""
import os

from hub_client import PREFIX, Platform, running, wait_for

SLOW = "#!/bin/sh\nsleep 10.5\nexec /usr/sbin/haproxy \"$@\"\n"


class SlowProxy(Platform):
    def __init__(self):
        super().__init__()
        prefix = self.folder / "prefix"
        (prefix / "bin").mkdir(parents=True)
        for entry in os.listdir(PREFIX):
            if entry != "bin":
                (prefix / entry).symlink_to(PREFIX / entry)
        (prefix / "bin/haproxy").write_text(SLOW)
        (prefix / "bin/haproxy").chmod(0o755)
        self.common[self.common.index("--prefix") + 1] = str(prefix)

    def wait_ready(self, seconds=40):
        super().wait_ready(seconds)


def test_a_proxy_that_starts_slowly_gets_more_time():
    with running(prepared=False, kind=SlowProxy) as platform:
        log = platform.log.read_text()
        assert log.count("haproxy does not answer; ending it") == 1, log
        assert wait_for(lambda: platform.log.read_text().count("haproxy answers") == 1)
