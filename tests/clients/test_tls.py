"""Certificates while their files are replaced."""

import logging
import os
import ssl
from itertools import count
from pathlib import Path

import pytest
import trustme

from sitehub.clients.tls import TlsFiles


@pytest.fixture
def files(tmp_path: Path) -> TlsFiles:
    return TlsFiles(str(tmp_path / "ca.pem"), str(tmp_path / "cert.pem"), str(tmp_path / "key.pem"))


def write_certificate(files: TlsFiles) -> trustme.LeafCert:
    """All but the key, which comes a moment later."""
    authority = trustme.CA()
    issued = authority.issue_cert("hub@example.com")
    authority.cert_pem.write_to_path(str(files.ca_file))
    issued.cert_chain_pems[0].write_to_path(str(files.cert_file))
    touched(files.ca_file, files.cert_file)
    return issued


def touched(*names: str | None) -> None:
    """Give files times of their own, whatever the file system's clock can tell apart."""
    for name in names:
        os.utime(str(name), ns=(0, next(MOMENTS)))


MOMENTS = count(1)


def write_key(files: TlsFiles, issued: trustme.LeafCert) -> None:
    issued.private_key_pem.write_to_path(str(files.key_file))
    touched(files.key_file)


def test_while_they_are_half_replaced_the_old_ones_stay_in_force(
    files: TlsFiles, caplog: pytest.LogCaptureFixture
) -> None:
    write_key(files, write_certificate(files))
    old = files.context()

    issued = write_certificate(files)
    with caplog.at_level(logging.WARNING):
        assert [files.context() for _ in range(3)] == [old] * 3
    assert [record.getMessage() for record in caplog.records] == ["certificates_unfit"]

    write_key(files, issued)
    assert files.context() is not old


def test_while_a_file_is_away_the_old_ones_stay_in_force(files: TlsFiles) -> None:
    write_key(files, write_certificate(files))
    old = files.context()
    Path(str(files.ca_file)).unlink()

    assert files.context() is old


def test_files_that_never_fitted_are_an_error(files: TlsFiles) -> None:
    write_key(files, write_certificate(files))
    write_certificate(files)

    with pytest.raises(ssl.SSLError):
        files.context()


def test_files_that_are_mended_fit(files: TlsFiles, caplog: pytest.LogCaptureFixture) -> None:
    write_key(files, write_certificate(files))
    files.context()
    for _ in range(2):
        issued = write_certificate(files)
        files.context()
        write_key(files, issued)
        files.context()

    assert len(caplog.records) == 2
