import pytest

from guard.errors import ConfigInvalid
from guard.perception.addresses import AddressPolicy, is_address


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.1.2.3", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254",
        "100.64.0.1", "192.0.0.1", "192.0.2.1", "192.88.99.1", "198.18.0.1", "203.0.113.1", "224.0.0.1", "240.0.0.1",
        "255.255.255.255", "168.63.129.16", "::", "::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
        "::ffff:169.254.169.254", "64:ff9b::7f00:1", "64:ff9b:1::1", "2002:7f00:1::", "2001::1", "2001:db8::1",
        "100::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "3fff::1", "5f00::1",
    ],
)  # fmt: skip
def test_address_that_is_not_public_is_refused(address: str) -> None:
    assert not AddressPolicy().permits(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "93.184.216.34", "::ffff:1.1.1.1", "2606:4700:4700::1111"])
def test_public_address_is_permitted(address: str) -> None:
    assert AddressPolicy().permits(address)


@pytest.mark.parametrize("text", ["", "example.org", "2130706433", "0x7f000001", "127.1", "1.1.1.1 ", "[::1]"])
def test_what_is_no_address_in_numbers_is_refused(text: str) -> None:
    assert not AddressPolicy().permits(text)
    assert not is_address(text)


def test_allowed_network_is_permitted_and_nothing_beside_it() -> None:
    policy = AddressPolicy(["10.1.0.0/16", "fd00::/8"])

    assert policy.permits("10.1.2.3")
    assert policy.permits("::ffff:10.1.2.3")
    assert policy.permits("fd12::1")
    assert not policy.permits("10.2.0.1")
    assert not policy.permits("127.0.0.1")


def test_network_that_is_none_is_an_invalid_configuration() -> None:
    with pytest.raises(ConfigInvalid, match=r"fetch\.allow_networks: .*10\.0\.0\.300"):
        AddressPolicy(["10.0.0.300/8"])
