"""Tokens: made once, kept as hashes, checked without asking the table each time."""

from __future__ import annotations

import hmac
import json
import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Literal

import pytest
from earshot import tokens as module
from earshot.cli import token as command
from earshot.errors import ScopeMissing, TokenInvalid, TokenNotFound
from earshot.tokens import CACHED_S, SCOPES, Scope, Tokens
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from infra.local import access

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result
    from conftest import Aws

DAY_S = 86_400


class Clock:
    """Seconds since 1970, as told."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


class Reading:
    """A client of DynamoDB that counts what is read."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.reads = 0

    def get_item(self, **request: Any) -> Any:
        self.reads += 1
        return self._client.get_item(**request)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def reading(aws: Aws) -> Reading:
    return Reading(aws.dynamodb)


@pytest.fixture
def tokens(reading: Any, clock: Clock) -> Tokens:
    return Tokens(reading, "earshot", clock)


def unknown(number: int) -> str:
    """A token as it could be, which nobody made."""
    return f"earshot_{number:012x}_{number:064x}"


def test_a_token_is_made_and_known_again(tokens: Tokens) -> None:
    token, text = tokens.create("gate camera", "write")
    assert re.fullmatch(f"earshot_{token.id}_[0-9a-f]{{64}}", text)
    assert tokens.check(text, "write") == token
    assert tokens.list() == (token,)
    assert tokens.create("gate camera", "write")[1] != text


def test_the_table_holds_no_secret(tokens: Tokens, aws: Aws) -> None:
    token, text = tokens.create("gate camera", "write")
    secret = text.rpartition("_")[2]
    items = aws.dynamodb.scan(TableName="earshot")["Items"]
    assert token.id in str(items)
    assert secret not in str(items)
    assert secret not in repr(tokens.check(text, "write"))


@pytest.mark.parametrize("has", SCOPES)
@pytest.mark.parametrize("wanted", SCOPES)
def test_each_scope_includes_those_before_it(tokens: Tokens, has: Scope, wanted: Scope) -> None:
    order = ["predict", "write", "admin"]
    _, text = tokens.create("somebody", has)
    if order.index(has) >= order.index(wanted):
        assert tokens.check(text, wanted).scope == has
    else:
        with pytest.raises(ScopeMissing, match=f"--scope {wanted}"):
            tokens.check(text, wanted)


def test_a_token_expires_by_the_clock_not_by_its_deletion(
    tokens: Tokens, clock: Clock, aws: Aws
) -> None:
    token, text = tokens.create("visitor", "predict", days=2)
    (item,) = aws.dynamodb.scan(TableName="earshot")["Items"]
    assert item["expires_at"] == {"N": str(int(clock.now) + 2 * DAY_S)}
    clock.now += 2 * DAY_S - 1
    assert tokens.check(text, "predict") == token
    clock.now += 1
    with pytest.raises(TokenInvalid, match="'visitor' is expired"):
        tokens.check(text, "predict")
    assert tokens.list()[0].state(clock.now) == "expired"


def test_a_revoked_token_ends_here_at_once_and_elsewhere_in_time(
    tokens: Tokens, clock: Clock, aws: Aws
) -> None:
    elsewhere = Tokens(aws.dynamodb, "earshot", clock)
    token, text = tokens.create("visitor", "predict")
    for one in (tokens, elsewhere):
        one.check(text, "predict")
    tokens.revoke(token.id)
    with pytest.raises(TokenInvalid, match="'visitor' is revoked"):
        tokens.check(text, "predict")
    clock.now += CACHED_S
    with pytest.raises(TokenInvalid, match="'visitor' is revoked"):
        elsewhere.check(text, "predict")


def test_revoking_twice_keeps_the_first_moment(tokens: Tokens) -> None:
    token, _ = tokens.create("visitor", "predict")
    tokens.revoke(token.id)
    (first,) = tokens.list()
    tokens.revoke(token.id)
    assert tokens.list() == (first,)
    assert first.revoked_at is not None


def test_what_was_never_made_cannot_be_revoked(tokens: Tokens) -> None:
    with pytest.raises(TokenNotFound, match="earshot token list"):
        tokens.revoke("000000000000")
    assert tokens.list() == ()


def test_a_token_costs_one_read_in_a_while(tokens: Tokens, clock: Clock, reading: Reading) -> None:
    _, text = tokens.create("gate camera", "predict")
    for _ in range(10):
        tokens.check(text, "predict")
        clock.now += (CACHED_S - 1) / 10
    assert reading.reads == 1
    clock.now += 1
    tokens.check(text, "predict")
    assert reading.reads == 2


def test_nor_does_one_that_is_unknown_cost_more(tokens: Tokens, reading: Reading) -> None:
    for _ in range(10):
        with pytest.raises(TokenInvalid):
            tokens.check(unknown(1), "predict")
    assert reading.reads == 1


def test_a_clock_that_is_set_back_keeps_nothing_alive(
    tokens: Tokens, clock: Clock, reading: Reading
) -> None:
    _, text = tokens.create("gate camera", "predict")
    tokens.check(text, "predict")
    clock.now -= 3600
    tokens.check(text, "predict")
    assert reading.reads == 2


def test_a_flood_of_others_is_forgotten_and_what_is_used_is_not(
    tokens: Tokens, reading: Reading, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CACHED", 10)
    _, text = tokens.create("gate camera", "predict")
    tokens.check(text, "predict")
    for number in range(30):
        with pytest.raises(TokenInvalid):
            tokens.check(unknown(number), "predict")
        tokens.check(text, "predict")
    assert reading.reads == 31
    # The latest of the others are remembered, the oldest are not.
    for number in (29, 0):
        with pytest.raises(TokenInvalid):
            tokens.check(unknown(number), "predict")
    assert reading.reads == 32


def test_the_right_id_does_not_do_and_hashes_are_compared_in_constant_time(
    tokens: Tokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[tuple[str, str]] = []
    real = hmac.compare_digest

    def compare(one: str, other: str) -> bool:
        compared.append((one, other))
        return real(one, other)

    monkeypatch.setattr(module.hmac, "compare_digest", compare)
    token, text = tokens.create("gate camera", "predict")
    tokens.check(text, "predict")
    last = "0" if text[-1] != "0" else "1"
    with pytest.raises(TokenInvalid, match="no token of this deployment") as refused:
        tokens.check(text[:-1] + last, "predict")
    assert [one == other for one, other in compared] == [True, False]
    # As for one that was never made: whether an id exists is not told.
    with pytest.raises(TokenInvalid) as other:
        tokens.check(unknown(1), "predict")
    assert str(refused.value) == str(other.value)
    assert token.name not in str(refused.value)


class Untouchable:
    """A client that nothing may be asked of."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(name)


HEX = "0123456789abcdef"
ALMOST = st.one_of(
    st.text(),
    st.text(alphabet=HEX + "_earshot", max_size=120),
    st.builds(
        "{}_{}_{}".format,
        st.sampled_from(["earshot", "Earshot", "earshot_", " earshot"]),
        st.text(alphabet=HEX + "X", max_size=14),
        st.text(alphabet=HEX + "X", max_size=66),
    ),
    st.sampled_from([unknown(1) + "\n", unknown(1) + "0", unknown(10**10).upper(), "x" * 100_000]),
)


@given(ALMOST.filter(lambda text: not re.fullmatch("earshot_[0-9a-f]{12}_[0-9a-f]{64}", text)))
def test_what_is_no_token_never_reaches_the_table(text: str) -> None:
    client: Any = Untouchable()
    with pytest.raises(TokenInvalid):
        Tokens(client, "earshot").check(text, "predict")


def test_threads_share_the_tokens(tokens: Tokens, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CACHED", 5)
    made = [tokens.create(f"camera {number}", "predict") for number in range(8)]

    def check(number: int) -> bool:
        token, text = made[number % len(made)]
        return tokens.check(text, "predict") == token

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(check, range(400)))


# --- the command ---------------------------------------------------------------------------


def ask(*arguments: str) -> Result:
    return CliRunner().invoke(command.app, arguments)


def test_only_the_token_is_printed_where_scripts_read(aws: Aws) -> None:
    done = ask("create", "gate camera", "--scope", "predict", "--days", "30")
    assert done.exit_code == 0, done.output
    text = done.stdout.strip()
    token = Tokens(aws.dynamodb, "earshot").check(text, "predict")
    assert (token.name, token.scope) == ("gate camera", "predict")
    assert token.expires_at is not None
    assert token.id in done.stderr
    assert text not in done.stderr


def test_tokens_are_made_listed_and_revoked_for_programs(aws: Aws) -> None:
    made = json.loads(ask("create", "gate", "--scope", "write", "--json").stdout)
    assert made["token"].startswith(f"earshot_{made['id']}_")
    (listed,) = json.loads(ask("list", "--json").stdout)["tokens"]
    assert listed == {name: value for name, value in made.items() if name != "token"}
    assert listed["state"] == "active"
    assert json.loads(ask("revoke", made["id"], "--json").stdout) == {"revoked": made["id"]}
    (listed,) = json.loads(ask("list", "--json").stdout)["tokens"]
    assert listed["state"] == "revoked"
    with pytest.raises(TokenInvalid):
        Tokens(aws.dynamodb, "earshot").check(made["token"], "predict")


def test_the_list_shows_nobody_s_secret(aws: Aws) -> None:
    text = ask("create", "gate", "--scope", "admin").stdout.strip()
    shown = ask("list").stdout
    assert "gate" in shown
    assert "admin" in shown
    assert text.rpartition("_")[2][:8] not in shown


def test_what_was_never_made_is_said(aws: Aws) -> None:
    done = ask("revoke", "000000000000")
    assert done.exit_code != 0
    assert isinstance(done.exception, TokenNotFound)


@pytest.mark.parametrize(
    "arguments",
    [
        ("gate",),
        ("gate", "--scope", "root"),
        (" ", "--scope", "admin"),
        ("a\nb", "--scope", "admin"),
        ("x" * 101, "--scope", "admin"),
        ("gate", "--scope", "admin", "--days", "0"),
    ],
)
def test_a_token_that_makes_no_sense_is_not_made(aws: Aws, arguments: tuple[str, ...]) -> None:
    assert ask("create", *arguments).exit_code == 2
    assert Tokens(aws.dynamodb, "earshot").list() == ()


# --- the local stack's ---------------------------------------------------------------------


def test_the_local_stack_keeps_its_token_to_its_owner(tokens: Tokens, tmp_path: Path) -> None:
    path = tmp_path / "token"
    text = access.administrator(path, tokens)
    assert tokens.check(text, "admin").name == "local"
    assert path.stat().st_mode & 0o777 == 0o600
    assert access.administrator(path, tokens) == text


@pytest.mark.parametrize("spoilt", ["revoked", "junk", "weak"])
def test_it_is_replaced_when_it_is_good_no_more(
    tokens: Tokens, tmp_path: Path, spoilt: Literal["revoked", "junk", "weak"]
) -> None:
    path = tmp_path / "token"
    before = access.administrator(path, tokens)
    if spoilt == "revoked":
        tokens.revoke(tokens.check(before, "admin").id)
    else:
        path.write_text("junk" if spoilt == "junk" else tokens.create("weak", "write")[1])
    path.chmod(0o644)
    after = access.administrator(path, tokens)
    assert after != before
    assert tokens.check(after, "admin")
    assert path.stat().st_mode & 0o777 == 0o600
