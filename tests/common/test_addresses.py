"""Where outbound requests may go: nowhere inside, however the address is written."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devora_ops.common.addresses import UrlForbidden, check_url, is_public


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254"),
        *("100.64.0.1", "100.100.100.200", "0.0.0.0", "255.255.255.255", "224.0.0.1"),
        *("192.0.0.8", "192.0.0.170", "192.88.99.1", "198.18.0.1", "240.0.0.1"),
        *("::1", "::", "fe80::1", "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1"),
        *("64:ff9b::7f00:1", "64:ff9b:1::1", "2002:7f00:1::", "2001::1", "2001:db8::1"),
        *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:100.64.0.1"),
    ],
)
def test_an_address_inside_is_not_public(address):
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "::ffff:8.8.8.8"]
)
def test_an_address_of_the_internet_is_public(address):
    assert is_public(ipaddress.ip_address(address))


@given(st.ip_addresses(v=4))
def test_a_mapped_address_is_what_it_maps_to(address):
    mapped = ipaddress.ip_address(f"::ffff:{address}")
    assert is_public(mapped) is is_public(address)


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "127.1", "0x7f.1", "2130706433", "017700000001", "0"),
        *(
            "[::1]",
            "[::ffff:127.0.0.1]",
            "localhost",
            "127。0。0。1",
            "169.254.169.254",
        ),
    ],
)
def test_no_way_of_writing_an_inner_host_passes(host):
    with pytest.raises(UrlForbidden):
        check_url(f"https://{host}/v1")


@pytest.mark.parametrize(
    "url",
    [
        *(
            "ftp://1.1.1.1/",
            "file:///etc/passwd",
            "gopher://1.1.1.1",
            "https://",
            "",
            "x",
        ),
        *("http://1.1.1.1/v1", "https://user@1.1.1.1/", "https://user:pw@1.1.1.1/"),
        *("https://1.1.1.1/#@127.0.0.1", "https://[::1", "https://1.1.1.1:99999/"),
        *(" https://1.1.1.1/", "https://1.1.1.1/\n", "https://1.1.1.1\\@127.0.0.1/"),
        *("https://1.1.1.1/\0", "https://{host}/"),
    ],
)
def test_a_url_that_is_none_of_ours_is_refused(url):
    with pytest.raises(UrlForbidden):
        check_url(url)


def test_a_public_https_address_passes():
    check_url("https://1.1.1.1/v1")
    check_url("https://1.1.1.1:8443/v1")


def test_what_the_operator_allows_passes_to_the_letter():
    allowed = {"127.0.0.1:11434"}
    check_url("http://127.0.0.1:11434/v1", allowed_hosts=allowed)
    for url in ("http://127.0.0.1:11435/v1", "http://localhost:11434/v1"):
        with pytest.raises(UrlForbidden):
            check_url(url, allowed_hosts=allowed)
