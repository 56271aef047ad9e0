"""Receipts: what goes in comes out, and nothing else gets in."""

import uuid
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.traffic.receipts import (
    TO_A_KEYS_USER,
    TO_A_PERSON,
    ForgedReceiptError,
    Receipt,
    Signer,
    pack_name,
    pack_placement,
    read,
    sign,
)

SECRET = b"a secret of this test"
names = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF), min_size=1, max_size=63)
any_receipt = st.builds(
    Receipt,
    output_id=st.uuids(),
    organisation_id=st.uuids(),
    user_id=st.uuids(),
    experiment_id=st.none() | st.uuids(version=4),
    comparison_id=st.none() | st.uuids(version=4),
    variant=names,
    version=names,
    epoch=st.integers(0, 2**32 - 1),
    issued_at=st.integers(0, 2**32 - 1),
    is_personal=st.booleans(),
)


@given(any_receipt)
def test_comes_back_as_it_went(receipt: Receipt) -> None:
    assert read(sign(receipt, SECRET), SECRET) == receipt


@given(any_receipt.map(lambda receipt: replace(receipt, comparison_id=None)))
def test_the_fast_signer_signs_the_same(receipt: Receipt) -> None:
    token = Signer(SECRET).sign(
        TO_A_PERSON if receipt.is_personal else TO_A_KEYS_USER,
        receipt.output_id.bytes,
        receipt.organisation_id.bytes + receipt.user_id.bytes,
        pack_placement(receipt.experiment_id, receipt.epoch),
        receipt.issued_at.to_bytes(4),
        pack_name(receipt.variant),
        pack_name(receipt.version),
    )
    assert token.decode() == sign(receipt, SECRET)


@given(any_receipt, st.data())
def test_one_changed_character_is_noticed(receipt: Receipt, data: st.DataObject) -> None:
    token = sign(receipt, SECRET)
    place = data.draw(st.integers(0, len(token) - 2))  # the last character may carry unused bits
    other = data.draw(st.sampled_from([c for c in "ABab01-_" if c != token[place]]))
    with pytest.raises(ForgedReceiptError):
        read(token[:place] + other + token[place + 1 :], SECRET)


@given(any_receipt)
def test_another_secret_opens_nothing(receipt: Receipt) -> None:
    with pytest.raises(ForgedReceiptError):
        read(sign(receipt, SECRET), b"another secret")


@given(st.text(max_size=300))
def test_noise_is_refused_without_a_crash(noise: str) -> None:
    with pytest.raises(ForgedReceiptError):
        read(noise, SECRET)


@given(any_receipt, st.uuids())
def test_content_is_bound_to_the_signature(receipt: Receipt, other: uuid.UUID) -> None:
    if other != receipt.user_id:
        assert sign(replace(receipt, user_id=other), SECRET)[:21] != sign(receipt, SECRET)[:21]
