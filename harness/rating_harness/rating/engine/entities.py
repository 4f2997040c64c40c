"""What the API keeps: the one description of the eight entities, from which schema, store and queries are made.

Types are written as GraphQL writes them: ``String``, ``[String]``, ``AccountType!``.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ENTITIES", "ENUMS", "SHAPES", "Entity", "Field", "Filter", "Reference", "Shape", "entity"]


@dataclass(frozen=True, slots=True)
class Field:
    """A field of an entity.

    :param output: its type when read; None when it isn't shown.
    :param input: its type when written; None when it can't be. By default as when read, but never required.
    :param default: what an omitted argument stands for.
    :param announced: whether the schema tells the default.
    """

    name: str
    output: str | None
    input: str | None = ""
    default: bool | str | None = None
    announced: bool = True

    @property
    def argument(self) -> str | None:
        """The type when written."""
        if self.input == "":
            return self.output and self.output.removesuffix("!")
        return self.input


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter of a list. Its value must equal the field of the same name.

    :param falsy: whether false filters too; else a false or empty value is no filter.
    :param ignored: accepted, without effect.
    """

    name: str
    type: str = "String"
    falsy: bool = False
    ignored: bool = False


@dataclass(frozen=True, slots=True)
class Reference:
    """A field that names another record; that record must exist, whenever this one is written or read."""

    field: str
    entity: str
    by_id: str | None = None


@dataclass(frozen=True, slots=True)
class Entity:
    """One kind of record. ``key`` identifies it within its tenant; ``search`` is where the filter ``q`` looks."""

    name: str
    plural: str
    key: tuple[str, ...]
    fields: tuple[Field, ...]
    search: tuple[str, ...]
    filters: tuple[Filter, ...]
    references: tuple[Reference, ...] = ()
    id_type: str = "ID!"
    tenant_type: str = "ID!"
    sorted_by_id: bool = True

    @property
    def checked_only(self) -> tuple[str, ...]:
        """Arguments that must name something that exists, and aren't stored."""
        return ("invoice_number",) if self.name == "Transaction" else ()

    @property
    def outputs(self) -> dict[str, str]:
        """The fields that are read, with their types."""
        shown = {field.name: field.output for field in self.fields if field.output}
        return {"id": self.id_type, "tenant": self.tenant_type} | shown

    @property
    def arguments(self) -> dict[str, Field]:
        """The fields that are written."""
        identity = (Field("id", None, "ID"), Field("tenant", None, "ID", "default"))
        return {field.name: field for field in (*identity, *self.fields) if field.argument}

    @property
    def defaults(self) -> dict[str, bool | str]:
        """What omitted arguments stand for."""
        return {name: field.default for name, field in self.arguments.items() if field.default is not None}


@dataclass(frozen=True, slots=True)
class Shape:
    """A type that is no entity. ``input`` tells that it's written, not read."""

    name: str
    fields: dict[str, str]
    input: bool = False


def _fields(*names: str, type: str = "String") -> tuple[Field, ...]:
    return tuple(Field(name, type) for name in names)


_ACTIVE = Field("active", "Boolean", default=True)
_ACTIVE_UNANNOUNCED = Field("active", "Boolean", default=True, announced=False)
_ADDRESS = _fields("address", "zipcode", "city", "province", "country")
_PERSON = _fields("company_name", "firstname", "lastname", "email", "tax_number", "vat_number")
_LIMITS = _fields("max_concurrent_transactions", "max_inbound_transactions", "max_outbound_transactions", type="Int")
_CHARGES = _fields("connect_fee", "rate", "rate_increment", "interval_start", type="Int")

ENTITIES = (
    Entity(
        "Carrier",
        "Carriers",
        key=("carrier_tag",),
        fields=(
            Field("carrier_tag", "String!"),
            Field("host", "String"),
            Field("port", "Int"),
            Field("protocol", "CarrierProtocol"),
            _ACTIVE,
        ),
        search=("tenant", "carrier_tag", "host"),
        filters=(Filter("carrier_tag"),),
    ),
    Entity(
        "Customer",
        "Customers",
        key=("customer_tag",),
        fields=(
            Field("customer_tag", "String!"),
            *_PERSON,
            Field("vat_policy", "CustomerVATPolicy"),
            *_ADDRESS,
            _ACTIVE_UNANNOUNCED,
        ),
        search=("tenant", "customer_tag", "company_name", "tax_number", "vat_number"),
        filters=(Filter("customer_tag"),),
    ),
    Entity(
        "Seller",
        "Sellers",
        key=("seller_tag",),
        fields=(Field("seller_tag", "String!"), *_PERSON, *_ADDRESS, _ACTIVE_UNANNOUNCED),
        search=("tenant", "seller_tag", "company_name", "tax_number", "vat_number"),
        filters=(Filter("seller_tag"),),
    ),
    Entity(
        "Invoice",
        "Invoices",
        key=("invoice_number",),
        fields=(
            Field("invoice_number", "String!"),
            Field("invoice_date", "Date!"),
            Field("customer_tag", None, "String"),
            Field("customer", "Customer", None),
            Field("rows", "[InvoiceRow]", "[InputInvoiceRow]"),
            Field("net_total", "BigInt"),
            Field("vat_rate", "Int"),
            Field("total", "BigInt"),
        ),
        search=("tenant", "invoice_number"),
        filters=(Filter("invoice_number"), Filter("invoice_date", "Date"), Filter("customer_tag", ignored=True)),
        references=(Reference("customer_tag", "Customer"),),
    ),
    Entity(
        "Pricelist",
        "Pricelists",
        key=("pricelist_tag",),
        fields=(Field("pricelist_tag", "String!"), Field("name", "String"), Field("currency", "PricelistCurrency")),
        search=("tenant", "pricelist_tag", "name"),
        filters=(Filter("pricelist_tag"),),
    ),
    Entity(
        "PricelistRate",
        "PricelistRates",
        key=("pricelist_tag", "carrier_tag", "prefix"),
        fields=(
            Field("pricelist_id", "ID"),
            Field("pricelist_tag", "String"),
            Field("carrier_id", "ID"),
            Field("carrier_tag", "String"),
            Field("prefix", "String!"),
            Field("datetime_start", "DateTime"),
            Field("datetime_end", "DateTime"),
            _ACTIVE,
            *_CHARGES,
            Field("description", "String"),
        ),
        search=("pricelist_tag", "prefix", "description"),
        filters=(
            Filter("pricelist_id", "ID"),
            Filter("pricelist_tag"),
            Filter("carrier_id", "ID"),
            Filter("carrier_tag"),
            Filter("prefix"),
            Filter("active", "Boolean"),
        ),
        references=(
            Reference("pricelist_tag", "Pricelist", by_id="pricelist_id"),
            Reference("carrier_tag", "Carrier", by_id="carrier_id"),
        ),
        id_type="ID",
        sorted_by_id=False,
    ),
    Entity(
        "Account",
        "Accounts",
        key=("account_tag",),
        fields=(
            Field("account_tag", "String!"),
            Field("name", "String"),
            Field("type", "AccountType!", "AccountType!"),
            Field("customer_tag", "String"),
            Field("customer", "Customer", None),
            Field("notification_email", "String"),
            Field("notification_mobile", "String"),
            _ACTIVE,
            Field("balance", "BigInt"),
            *_LIMITS,
            Field("running_transactions", "[AccountTransaction]", None),
            *_fields("carrier_tags", "carrier_tags_override", "pricelist_tags", "tags", type="[String]"),
            Field("linked_accounts", "[LinkedAccount]", "[String]"),
        ),
        search=("tenant", "account_tag", "name"),
        filters=(
            Filter("account_tag"),
            Filter("customer_tag", ignored=True),
            Filter("type", "AccountType"),
            Filter("active", "Boolean"),
            Filter("with_running_transactions", "Boolean"),
            Filter("with_long_running_transactions", "Boolean"),
        ),
        references=(Reference("customer_tag", "Customer"),),
        id_type="ID",
        tenant_type="ID",
    ),
    Entity(
        "Transaction",
        "Transactions",
        key=("transaction_tag", "account_tag"),
        fields=(
            Field("transaction_tag", "String!"),
            Field("account_tag", "String"),
            Field("account", "Account", None),
            Field("invoice_number", None, "String"),
            Field("invoice", "Invoice", None),
            *_fields("source", "source_ip", "destination", "carrier_ip"),
            Field("tags", "[String]"),
            Field("authorized", "Boolean"),
            Field("unauthorized_reason", "String"),
            Field("destination_rate", "PricelistRate", "InputAccountPricelistRate"),
            *_fields("timestamp_auth", "timestamp_begin", "timestamp_end", type="DateTime"),
            Field("primary", "Boolean", default=False, announced=False),
            Field("inbound", "Boolean", default=False, announced=False),
            *_fields("duration", "fee", type="Int"),
        ),
        search=("tenant", "transaction_tag", "account_tag"),
        filters=(
            Filter("transaction_tag"),
            Filter("account_tag"),
            Filter("invoice_number"),
            Filter("primary", "Boolean", falsy=True),
            Filter("inbound", "Boolean", falsy=True),
        ),
        references=(Reference("account_tag", "Account"), Reference("invoice_number", "Invoice")),
    ),
)

_BY_NAME = {entity.name: entity for entity in ENTITIES}


def entity(name: str) -> Entity:
    """The entity of that name."""
    return _BY_NAME[name]


_INVOICE_ROW = {
    "prefix": "String",
    "description": "String",
    "unit_price": "Int",
    "quantity": "BigInt",
    "total": "BigInt",
}
_ENTRY = {
    "transaction_tag": "String!",
    "proxy_tag": "String",
    "source": "String",
    "source_ip": "String",
    "destination": "String",
    "carrier_ip": "String",
    "tags": "[String]",
    "destination_rate": "PricelistRate",
    "in_progress": "Boolean",
    "inbound": "Boolean",
    "primary": "Boolean",
    "timestamp_begin": "DateTime",
    "timestamp_end": "DateTime",
}

SHAPES = (
    Shape("ListMetadata", {"count": "Int"}),
    Shape("InvoiceRow", _INVOICE_ROW),
    Shape("InputInvoiceRow", _INVOICE_ROW, input=True),
    Shape("AccountTransaction", _ENTRY),
    Shape(
        "InputAccountTransaction",
        {name: type for name, type in _ENTRY.items() if name != "in_progress"}
        | {"destination": "String!", "destination_rate": "InputAccountPricelistRate", "timestamp_begin": "DateTime!"},
        input=True,
    ),
    Shape(
        "InputAccountPricelistRate",
        {
            "pricelist_tag": "String!",
            "prefix": "String!",
            "datetime_start": "DateTime",
            "datetime_end": "DateTime",
            **dict.fromkeys(("connect_fee", "rate", "rate_increment", "interval_start"), "Int"),
            "carrier_tag": "String",
            "description": "String",
        },
        input=True,
    ),
    *(
        Shape(name, {"ok": "Boolean", "transaction": "AccountTransaction"})
        for name in ("beginAccountTransaction", "endAccountTransaction")
    ),
    *(
        Shape(name, {"ok": "Boolean"})
        for name in (
            "commitAccountTransaction",
            "rollbackAccountTransaction",
            "incrementAccountBalance",
            "setAccountBalance",
        )
    ),
)

ENUMS = {
    "CarrierProtocol": ("TCP", "UDP"),
    "PricelistCurrency": ("EUR", "USD"),
    "AccountType": ("PREPAID", "POSTPAID"),
    "CustomerVATPolicy": ("EXEMPT", "VAT_INCLUDED", "VAT_EXCLUDED"),
}
