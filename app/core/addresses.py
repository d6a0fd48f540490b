"""Which addresses this product contacts because a user says so (webhooks), and which it never does.

Two checks, and both must pass: `Policy.target` reads the URL when it is entered, and `Policy.refusal` judges each
address that its name resolves to, at the moment of connecting. A URL is read strictly: what a browser would mend
(0x7f.1, 2130706433, full-width digits, a backslash, user:password@) is refused instead, so no two readers of it can
disagree about the host.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, TypeAlias

from app.core.errors import ConfigError, InvalidInput

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

_LONGEST: Final = 2000
_FORM: Final = re.compile(
    r"(?P<scheme>(?i:https?))://(?P<host>\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z.-]+)(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>/[^\s?#\\]*)?(?P<query>\?[^\s#\\]*)?"
)
_LABEL: Final = re.compile(r"[0-9a-z]([0-9a-z-]{0,61}[0-9a-z])?")
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
# Names that mean this machine or this network by convention (RFC 6761, RFC 6762, RFC 8375 and common usage).
_LOCAL_NAMES: Final = ("localhost", "local", "internal", "intranet", "lan", "corp", "home", "home.arpa", "private")


def _networks(*written: str) -> tuple[Network, ...]:
    return tuple(ip_network(network) for network in written)


# Services that hand out a machine's credentials. Never contacted, also where private networks are.
_METADATA: Final = _networks(
    "169.254.0.0/16",
    "100.100.100.200/32",  # Alibaba Cloud
    "168.63.129.16/32",  # Azure
    "fe80::/10",
    "fd00:ec2::/32",  # AWS
    "fd00:42::42/128",  # Scaleway
    "fd00:100::100:200/128",  # Alibaba Cloud
    "fd00:a9fe:a9fe::1/128",  # Akamai
    "fd00:c1::a9fe:a9fe/128",  # Oracle Cloud
    "fd20:ce::254/128",  # Google Cloud
)
# What an operator may open with EVENTPULSE_ALERT_PRIVATE_NETWORKS.
_PRIVATE: Final = _networks(
    "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128", "fc00::/7"
)
# The rest of the special-purpose addresses of IPv4 (IANA registry, RFC 6890), and multicast.
_SPECIAL: Final = _networks(
    "0.0.0.0/8",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.31.196.0/24",
    "192.52.193.0/24",
    "192.88.99.0/24",
    "192.175.48.0/24",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
    # Inside the global unicast range of IPv6: protocol assignments with Teredo, documentation, 6to4.
    "2001::/23",
    "2001:db8::/32",
    "2002::/16",
    "3fff::/20",
)
_GLOBAL_V6: Final = IPv6Network("2000::/3")
_NAT64: Final = IPv6Network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class Target:
    """A URL that has been read. `host` is a lower-case name, or an address without brackets; `path` has the query."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def literal(self) -> Address | None:
        """The address, where the host is one."""
        return _literal(self.host)

    @property
    def authority(self) -> str:
        """Host and port as a URL and the Host header write them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Policy:
    """What may be contacted: public addresses on these ports; with `private` also private networks, on any port."""

    ports: frozenset[int]
    private: bool = False

    def target(self, url: str) -> Target:
        """Read a URL. Raises InvalidInput (field "target") that says what is refused."""
        if len(url) > _LONGEST:
            raise _refused(f"a URL has at most {_LONGEST} characters")
        if not url.isascii():
            raise _refused("the URL must be ASCII: write an international host name in its xn-- form")
        found = _FORM.fullmatch(url)
        if found is None:
            raise _refused(_complaint(url))
        scheme, host = found["scheme"].lower(), found["host"].lower().strip("[]")
        port = int(found["port"] or _DEFAULT_PORTS[scheme])
        if not 0 < port < 65_536:
            raise _refused(f"there is no port {port}")
        target = Target(scheme, host, port, (found["path"] or "/") + (found["query"] or ""))
        if "[" in found["host"] and target.literal is None:
            raise _refused(f"{host} is no IPv6 address")
        reason = self._name_refusal(host, port) if target.literal is None else self.refusal(target.literal, port)
        if reason is not None:
            raise _refused(reason)
        return target

    def refusal(self, address: Address, port: int) -> str | None:
        """Why an address must not be contacted on a port; None when it may be."""
        if isinstance(address, IPv6Address):
            inner = _embedded(address)
            if inner is not None:
                return self.refusal(inner, port)
        if _within(address, _METADATA):
            return f"{address} is a link-local address or a cloud's metadata service, which is never contacted"
        if _within(address, _PRIVATE):
            if self.private:
                return None
            return f"{address} is in a private network (EVENTPULSE_ALERT_PRIVATE_NETWORKS=true allows them)"
        if _within(address, _SPECIAL) or (isinstance(address, IPv6Address) and address not in _GLOBAL_V6):
            return f"{address} is no public address"
        return self._port_refusal(port)

    def _port_refusal(self, port: int) -> str | None:
        if port in self.ports:
            return None
        known = ", ".join(map(str, sorted(self.ports)))
        return f"port {port} is not among those that alerts are sent to (EVENTPULSE_ALERT_PORTS: {known})"

    def _name_refusal(self, host: str, port: int) -> str | None:
        labels = host.split(".")
        if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
            return f"{host!r} is no host name"
        # As browsers read it: a host whose last part is a number is an IPv4 address, and this is none as people write.
        if re.fullmatch(r"[0-9]+|0x[0-9a-f]*", labels[-1]):
            return f"{host!r} is no IPv4 address in its usual form of four decimal numbers"
        if self.private:
            return None  # what the name resolves to decides, and on which ports
        if len(labels) == 1 or any(host.endswith(f".{name}") for name in _LOCAL_NAMES):
            return f"{host!r} is a name of this machine or network (EVENTPULSE_ALERT_PRIVATE_NETWORKS=true allows them)"
        return self._port_refusal(port)


def parse_ports(written: str) -> frozenset[int]:
    """The ports of a list such as "80,443". Raises ConfigError for anything else."""
    parts = [part.strip() for part in written.split(",") if part.strip()]
    if not all(part.isascii() and part.isdigit() and 0 < int(part) < 65_536 for part in parts):
        raise ConfigError(f"EVENTPULSE_ALERT_PORTS: {written!r} is no list of ports such as 80,443")
    return frozenset(map(int, parts))


def _literal(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _embedded(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that a packet to this one ends up at: mapped, or behind a NAT64 gateway (RFC 6052)."""
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return IPv4Address(int(address) & 0xFFFF_FFFF) if address in _NAT64 else None


def _within(address: Address, networks: Iterable[Network]) -> bool:
    return any(address in network for network in networks)


def _complaint(url: str) -> str:
    scheme = url.partition(":")[0]
    if not re.match(r"(?i:https?)://", url):
        return f"a URL begins with https:// or http://, not with {scheme[:20]!r}"
    if "@" in re.split(r"[/?#]", url.split("://", 1)[1])[0]:
        return "a URL must not carry a user name or password"
    return "the URL is not of the form https://host[:port]/path?query, without spaces, backslashes or #"


def _refused(reason: str) -> InvalidInput:
    return InvalidInput(reason, field="target")
