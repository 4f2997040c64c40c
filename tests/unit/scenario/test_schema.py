"""The JSON Schema says what the loader says, as far as a JSON Schema can."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from rating_harness.scenario import introspection
from rating_harness.scenario.diagnostics import Mistakes
from rating_harness.scenario.fields import Model
from rating_harness.scenario.includes import Shared
from rating_harness.scenario.model import Scenario
from rating_harness.scenario.nodes import Mapping, plain
from rating_harness.scenario.schema import scenario_schema, shared_schema
from rating_harness.scenario.yaml_parser import read_file

HERE = Path(__file__).parent
PROJECT = HERE.parents[2]
VALIDATOR = jsonschema.Draft202012Validator(scenario_schema())

BEYOND_A_SCHEMA = {
    "names that nobody has, or two have": """
        unknown-account unknown-call unknown-call-in-fault unknown-carrier unknown-host unknown-pricelist
        carrier-that-nothing-gives
        unknown-service expected-carrier-unknown fault-on-agnt record-of-unknown-account same-account same-id
        second-id-that-waits second-rate table-of-nobody waits-for-itself""",
    "contradictions": """
        rpc-refused-with-a-result
        moments-that-are-over
        absent-and-refuse absent-with-count after-the-end at-the-very-end begun-and-not cancel-after-answer
        cancel-and-hold cancel-and-renewal
        clock-over-fault clock-over-hold clock-over-what-is-due clock-skips-nothing clock-under-load
        clock-while-ringing clock-list cancel-and-vanish fault-body-and-set fault-of-a-carrier fault-of-the-agent
        fault-huge-number fault-two-answers forks-that-cant-be
        clock-over-second-answer fault-two-outages fault-without-action faults-of-two-kinds hold-never load-and-repeat
        killed-agent killed-carrier
        load-of-nothing loss-over-tcp many-calls-that-say-too-much octets-without-branch options-with-hold
        load-without-rate order-and-path order-without-call outage-with-nth ramp-too-long rate-of-one-call
        reason-twice
        refused-with-duration renewed-before-the-answer request-bytes-and-more share-without-load
        shares-beyond-all sipp-and-hold step-ramp-too-long steps-and-rate steps-of-many-sessions
        steps-of-nothing steps-that-say-too-much unseen-in-many-calls vanished-hangs-up
        transfer-that-cant-be vanishes-at-no-moment which-record""",
    "other files": """
        configuration-missing shared-file-misspelled shared-file-missing shared-file-wrong sipp-file-missing""",
    "variables and the matrix": """
        matrix-empty matrix-row-wrong matrix-same-id matrix-unused unknown-variable unknown-variable-guess
        variable-in-key variable-is-a-mapping variable-name variable-never-closed variables-in-a-circle
        variables-too-long variables-too-many""",
    "spellings that differ between YAML's versions, keys, tags and merges": """
        duplicate-key key-is-a-list leading-zero merge-of-a-text no-as-text tag typographic-quotes""",
    "what is inside a text, or its size": """
        bad-regex header-expected headers-compact host-with-port lines-of-any-text nearly-regular-expressions
        numbers-nobody-has
        domain-and-secrets duration-between-two duration-too-long end-of-message fee-between-two from-as-uri
        header-name header-with-newline headers-of-sipp headers-of-the-call min-above-max reply-provisional
        request-uri-as-header shares-of-nothing""",
}
EXCEPTIONS = {name for names in BEYOND_A_SCHEMA.values() for name in names.split()}


def trees(folder: str) -> list[tuple[str, Mapping]]:
    found = []
    for path in sorted((HERE / folder).glob("[!_]*.yaml")):
        root = read_file(path, Mistakes())
        if root is not None:
            found.append((path.stem, root))
    return found


@pytest.mark.parametrize(("name", "root"), trees("good"), ids=lambda value: value if isinstance(value, str) else "")
def test_the_schema_accepts_what_the_loader_accepts(name: str, root: Mapping) -> None:
    assert [f"{error.json_path}: {error.message}" for error in VALIDATOR.iter_errors(plain(root))] == []


@pytest.mark.parametrize(("name", "root"), trees("broken"), ids=lambda value: value if isinstance(value, str) else "")
def test_the_schema_refuses_what_the_loader_refuses(name: str, root: Mapping) -> None:
    assert VALIDATOR.is_valid(plain(root)) is (name in EXCEPTIONS)


@pytest.mark.parametrize("path", sorted((PROJECT / "scenarios").rglob("*.yaml")), ids=lambda path: path.stem)
def test_the_schema_accepts_the_projects_scenarios(path: Path) -> None:
    root = read_file(path, Mistakes())
    assert root is not None
    if "workers" not in root.entries:
        schema = shared_schema() if path.name.startswith("_") else scenario_schema()
        assert list(jsonschema.Draft202012Validator(schema).iter_errors(plain(root))) == []


def models(model: type[Model]) -> set[type[Model]]:
    found = {model}
    for info in model.model_fields.values():
        for annotation in introspection.alternatives(info.annotation):
            for inner in (annotation, *getattr(annotation, "__args__", ())):
                if isinstance(inner, type) and issubclass(inner, Model):
                    found |= models(inner)
    return found


MODELS: list[type[Model]] = sorted(models(Scenario), key=str)


@pytest.mark.parametrize("model", MODELS)
def test_every_key_has_a_description_and_an_example(model: type[Model]) -> None:
    assert model.__doc__
    for name, info in introspection.fields(model).items():
        assert info.description, name
        assert info.description.endswith("."), name
        assert info.examples, name


def definition(schema: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = schema["$defs"][name]
    return next((choice for choice in found.get("anyOf", []) if "properties" in choice), found)


@pytest.mark.parametrize("model", [model for model in MODELS if model is not Scenario])
def test_examples_are_right(model: type[Model]) -> None:
    schema = scenario_schema()
    for key, described in definition(schema, model.__name__)["properties"].items():
        validator = jsonschema.Draft202012Validator({**described, "$defs": schema["$defs"]})
        for example in described["examples"]:
            assert validator.is_valid(example), (key, example)


def test_the_schemas_are_schemas_with_a_version_and_no_host() -> None:
    for schema in (scenario_schema(), shared_schema()):
        jsonschema.Draft202012Validator.check_schema(schema)
        assert re.fullmatch(r"urn:rating-harness:(scenario|shared):\d+", schema["$id"])
        assert schema["additionalProperties"] is False


def test_a_shared_file_has_a_schema_of_its_own() -> None:
    root = read_file(HERE / "good" / "_retail.yaml", Mistakes())
    assert root is not None
    assert jsonschema.Draft202012Validator(shared_schema()).is_valid(plain(root))
    assert set(shared_schema()["properties"]) == set(Shared.model_fields)
    assert not VALIDATOR.is_valid(plain(root))


def test_the_schema_in_the_documentation_is_up_to_date() -> None:
    committed = (PROJECT / "docs" / "scenario.schema.json").read_text("utf-8")
    assert json.loads(committed) == scenario_schema()
