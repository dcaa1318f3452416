# SPDX-License-Identifier: MIT
# For what is linked with fake.c: the functions that it takes the place of.
FAKED := os_commit os_now_ms os_thp_possible os_thp_disabled numa_this_cpu
FAKE_LINK := $(FAKED:%=-Wl,--wrap=%)
