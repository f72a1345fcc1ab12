"""The packages of all frameworks and hosts; `python -m tests.hosts.packages` installs them ahead of the tests."""

from tests.hosts.frameworks import FRAMEWORKS
from tests.hosts.test_command_lines import HOSTS


def install() -> None:
    """Install the packages that are not installed, one after the other."""
    for package in (*FRAMEWORKS, *HOSTS):
        package.install()


if __name__ == "__main__":
    install()
