"""Lines of Kamailio 6.0.1 and 6.1.5, as its binaries and modules have them."""

from __future__ import annotations

import pytest

from rating_harness.evidence.memory_shortage import memory_shortages

SHARED = """
tm [h_table.c:340]: build_cell(): could not allocate shared memory from shm pool
<core> [core/counters.c:1]: could not allocate shared memory from shm pool - required (48)
dialog [dlg_hash.c:471]: build_new_dlg(): no more shm mem (469)
tm [t_lookup.c:1340]: new_t(): no more shm memory!
htable [ht_api.c:393]: ht_init_tables(): no more shared memory for [rating_begin]
no shm
out of shm!
out of shared memory
not more shm mem
no more shmem
Not enough shared memory left
cannot allocate shmem buffer
cannot alloc reply shmem
Cannot allocate shm memory for reply's result
init_mod: Cannot allocate shared memory
shm memory allocation failure
no more shm mem (t)
no more shm memory left
no shm memory for dmq_node_uri
tls: ssl bug #1491 workaround: not enough memory for safe operation: shm=1024 threshold1=2048
init_nonce_count: memory allocation failure, ... increasing the the shared memory amount
""".strip().splitlines()

PRIVATE = """
pv [pv_core.c:1]: could not allocate private memory from pkg pool
<core> [core/msg_translator.c:1]: could not allocate private memory from pkg pool - missing 512 bytes
no more pkg memory
no more pkg mem
out of pkg memory
out of pkg mem!
Error out of pkg memory
not enough pkg mem
no pkg memory left for pv_spec_t
no private memory left
no more private memory!!
no pkg for reason phrase
no more pkg memory (cfg line: 12)
failed to allocate pkg memory
Cannot allocate pkg memory for reply's result
""".strip().splitlines()

ANY = """
<core> [core/mem/q_malloc.c:324]: qm_find_free(): qm_find_free(0x7f4f688df000, 8496); Free fragment not found!
qm_malloc(0x7f, 84) called from tm: h_table.c(340), module: tm; Free fragment not found!
fm_malloc(0x7f4f688df000, 8496); Free fragment not found!
tm [t_lookup.c:1848]: new_t(): out of mem:
out of  memory
not enough memory
Not enough memory
no more memory.
no memory for delete operation
no mem for outbound reply buffer
out of dynamic memory in yy_create_buffer()
No memory left (48 bytes)
Internal server error: out of memory
OUT OF MEMORY for initial list element
memory allocation failure
couldnt malloc memory for pmatch
can't alloc' clone memory
failed to allocate memory for Unsupported header
""".strip().splitlines()

HARMLESS = """
shared memory: 268435456 bytes
shared memory initialized
shm not initialized - cannot define shm now
BUG: bad pointer 0x7f (out of memory block!) called from tm: h_table.c(1) - aborting
BUG - there is no shmem-ized message (shm_msg=0x7f)
openssl bug #1491 (crash/mem leaks on low memory) workaround enabled
Found path_vec that is not in pkg mem!
Cannot set memory callbacks for cURL: 1
failed to register sh_mem statistics
could not allocate shared memory segment[12]: Invalid argument
too many dns containers - adding number 5 - can fill memory
<script>: there is no more shm memory, I say
rating: begin failed: call=1 error=no answer
could not allocate lock
no more carriers
""".strip().splitlines()


@pytest.mark.parametrize(
    ("memory", "line"),
    [(memory, line) for memory, lines in (("shared", SHARED), ("private", PRIVATE), ("any", ANY)) for line in lines],
)
def test_each_form_is_known_for_the_memory_that_ran_out(memory: str, line: str) -> None:
    (shortage,) = memory_shortages(["0(7) INFO: all is well", line, line])
    assert (shortage.memory, shortage.text) == (memory, line)


@pytest.mark.parametrize("line", HARMLESS)
def test_what_else_is_logged_of_memory_is_none(line: str) -> None:
    assert memory_shortages([line]) == []


def test_memory_of_the_system_is_neither() -> None:
    (shortage,) = memory_shortages(["could not allocate memory from system"])
    assert (shortage.what, shortage.remedy()) == ("system memory", "the machine has no memory left")


def test_what_the_allocator_says_counts_where_nobody_says_which_memory_it_was() -> None:
    assert [each.memory for each in memory_shortages([ANY[0], SHARED[0], ANY[1]])] == ["shared"]
    assert [each.memory for each in memory_shortages([PRIVATE[0], ANY[0], SHARED[3]])] == ["shared", "private"]


def test_the_remedy_is_twice_of_what_it_had() -> None:
    (shared,), (private,), (either,) = (memory_shortages(lines) for lines in (SHARED[:1], PRIVATE[:1], ANY[:1]))
    assert "`memory: 10m`" in shared.remedy(5, 3)
    assert "`-m 512`" in shared.remedy()
    assert "`package_memory: 6m`" in private.remedy(5, 3)
    assert "`-M 32`" in private.remedy()
    assert "`memory: 512m`" in either.remedy()
    assert "`package_memory: 32m`" in either.remedy()
