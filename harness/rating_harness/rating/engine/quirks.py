"""What the real services do by mistake, and this engine on purpose.

An engine that stands in for the real one must be wrong where that one is, as far as Kamailio or a scenario can see
it. Every such behaviour has a name here, and the code that does it says the name. ``--strict`` refuses, or repairs,
those that harm whoever prepares a test: :data:`STRICT` lists them.
"""

from __future__ import annotations

from enum import Enum

__all__ = ["STRICT", "ClientError", "Policy", "Quirk", "Refused"]


class Quirk(Enum):
    """A behaviour that looks like a bug and is deliberate."""

    # authorization
    NINE_CHARACTERS = "a prefix of ten or more characters never matches"
    WHOLE_DESTINATION = "a destination that equals a prefix doesn't match it"
    FIRST_NOT_CHEAPEST = "among rates of one prefix the first is charged, not the cheapest"
    ROUTES_NOT_RATED = "carriers are offered for prefixes of any length and from any pricelist"
    EMPTY_CARRIERS = "an empty carrier_tags allows every rate and no carrier"
    INACTIVE_CARRIERS = "inactive carriers are offered"
    DELETED_CARRIERS = "a deleted carrier isn't offered, but a call that it would be charged for is NOT_FOUND"
    DATES_IGNORED = "datetime_start and datetime_end of a rate have no effect"
    OVERRIDE_IGNORED = "carrier_tags_override has no effect"
    UNITS_NOT_CHECKED = "a balance above zero authorises a call of no units"
    LIMITS_IGNORE_DIRECTION = "a limit of inbound calls stops outbound ones too, and the other way round"
    LINKED_NOT_CHECKED = "linked accounts may be inactive"
    LINKED_GHOSTS = "linked accounts that don't exist are skipped"
    BALANCE_OF_THE_LAST = "the balance in the answer is that of the last account looked at"
    DANGLING_IS_NOT_FOUND = "a reference to something deleted makes the account NOT_FOUND"
    NO_DESTINATION = "an authorization of an account without a destination is answered with 500"
    EMPTY_TAG = "an empty account tag is neither given nor absent: 500, or ok without effect"
    NO_BALANCE = "an account may have no balance, and its authorizations are answered with 500"
    NO_CHARGES = "a rate may lack its charges, and authorizations that need them fail"
    # fees
    INTERVAL_START_UNITS = "interval_start counts increments in a fee and seconds in the available units"
    DAYS_DROPPED = "a call of a day and ten seconds is charged ten seconds"
    NO_FEE_WITHOUT_TIME = "a call that ends when it begins, or before, isn't charged its connect fee"
    FEE_OF_32_BITS = "an end whose fee exceeds 32 bits fails, and its entry stays"
    RUNS_FOR_EVER = "running transactions never expire"
    # records
    SOURCE_IP_LOST = "an authorization record has the source as its source_ip"
    REASON_LOST = "an authorization record has no unauthorized_reason"
    ABSENT_IS_EMPTY = "absent strings are stored as empty ones"
    BEGIN_TAGS_LOST = "the tags of a begin aren't kept"
    LAST_LEG_RESTORED = "of two authorised legs, only one is found again by the transaction tag"
    PARTIAL_END = "an end that fails at one account has charged those before it"
    PARTIAL_ROLLBACK = "a rollback leaves the entries of linked accounts"
    RECORD_KEEPS_BALANCE = "a recorded transaction doesn't change the balance"
    RECORD_OUTBOUND = "a recorded transaction is never inbound"
    RECORD_TAGS = "a record without tags, in the request or in the account, is answered with 500"
    GRAPHQL_RECORD_INSTANT = "recordTransaction takes timestamp_auth for its begin and its end"
    # API
    ANY_ERROR_IS_400 = "a GraphQL error makes the status 400, also when there is data"
    NULL_IS_ABSENT = "null can't be written in a query, and as a variable it means absent: nothing can be set to null"
    LENIENT_VARIABLES = "variables are converted to the type that the query declares"
    BIG_FLOATS = "integers beyond 32 bits are answered as floats"
    REACTIVATES = "an update without active sets it to true"
    FLAGS_RESET = "an upsertTransaction without primary and inbound sets them to false"
    TENANT_MOVES = "an update by id without tenant moves the record to the tenant default"
    KEYLESS = "a record may be made by its id alone, and then can't be read"
    FILTERS_IGNORED = "some filters, and sort fields that don't exist, have no effect"
    DANGLING_FAILS_LIST = "a list that holds one dangling reference fails"
    CUSTOMER_ID_AS_TAG = "Account.customer_tag is the customer's id"
    LINKED_WITHOUT_ID = "linked accounts have no id, and are sorted by tag"
    BEGIN_RETURNS_FIRST = "beginAccountTransaction returns the account's first running entry, not the new one"
    NULL_BALANCE = "setAccountBalance without a balance removes it"
    CONNECTION_DROPPED = "after a 500 the connection is closed"


STRICT = frozenset(
    {
        Quirk.NINE_CHARACTERS,
        Quirk.DATES_IGNORED,
        Quirk.OVERRIDE_IGNORED,
        Quirk.LINKED_GHOSTS,
        Quirk.NO_DESTINATION,
        Quirk.EMPTY_TAG,
        Quirk.NO_BALANCE,
        Quirk.NO_CHARGES,
        Quirk.SOURCE_IP_LOST,
        Quirk.REASON_LOST,
        Quirk.RECORD_OUTBOUND,
        Quirk.RECORD_TAGS,
        Quirk.REACTIVATES,
        Quirk.FLAGS_RESET,
        Quirk.TENANT_MOVES,
        Quirk.KEYLESS,
        Quirk.FILTERS_IGNORED,
        Quirk.NULL_BALANCE,
    }
)
"""The quirks that ``--strict`` turns off."""


class ClientError(Exception):
    """An error that the client gets as its answer, with this text."""


class Refused(ClientError):
    """The strict engine refuses what the real one accepts. ``field`` is what to change, where it's one field."""

    def __init__(self, quirk: Quirk, message: str, field: str | None = None) -> None:
        super().__init__(f"{message} (strict: {quirk.name})")
        self.quirk = quirk
        self.field = field


class Policy:
    """Which quirks the engine has."""

    def __init__(self, *, strict: bool = False) -> None:
        self.strict = strict

    def has(self, quirk: Quirk) -> bool:
        """Whether the engine behaves so."""
        return not (self.strict and quirk in STRICT)

    def tolerate(self, quirk: Quirk, message: str, field: str | None = None) -> None:
        """Let a request pass that relies on ``quirk``.

        :raises Refused: when the engine is strict.
        """
        if not self.has(quirk):
            raise Refused(quirk, message, field)
