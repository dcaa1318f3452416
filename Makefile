# SPDX-License-Identifier: MIT
# What people type; `make help` lists it. What the kernel's build system reads
# is Kbuild.

VERSION := 0.1.0
SOVERSION := 0

# Options that the library is built with: "key:value,…"; all others override them.
CONF_DEFAULT ?=

CC ?= cc
AR ?= ar
OBJCOPY ?= objcopy
PREFIX ?= /usr/local
DESTDIR ?=
B := build
comma := ,

# V=1 shows the commands instead of what they make.
Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-7s %s\n' $(1) $@)

.DELETE_ON_ERROR:
.SUFFIXES:
.PHONY: all lib modules tools man deps check check-debug fuzz demo bench bench-instr \
	bench-kernel install uninstall deb check-install clean help

all: lib modules tools man ## build everything: library, module for each kernel, tools, pages (default)

# --- the library ---
# Compiled twice: with ASHLAR_OVERRIDE=1 (libuser/alias.h) and override*.c it
# answers to libc's, C++'s and jemalloc's names; without, it is
# libashlar-prefixed, which replaces nothing.

# What every process runs comes first, so that it lies together: a small process
# then has 64 KB of the library's text in memory and not all of it. (What libc and
# libgcc have of it in static form comes right after.)
LIB_FIRST := $(addprefix libuser/,malloc.c override_cxx.c block.c resize.c tcache.c tcache_count.c tcache_large.c slab.c record.c kept.c large.c \
	arena.c bin.c arenas.c hollow.c pageheap.c supply.c extent.c purge.c window.c meta.c lock.c thread.c \
	os.c vdso.c nodes.c source_anon.c decay.c limit.c conf.c)
LIB_HEAD := $(foreach v,override prefixed,$(LIB_FIRST:libuser/%.c=$(B)/obj/$v/%.o))
LIB_SOURCES := $(LIB_FIRST) $(filter-out $(LIB_FIRST),$(sort $(wildcard libuser/*.c)))
LIB_OBJECTS := $(LIB_SOURCES:libuser/%.c=$(B)/obj/override/%.o)
CORE_SOURCES := $(filter-out libuser/override%,$(LIB_SOURCES))
CORE_OBJECTS := $(CORE_SOURCES:libuser/%.c=$(B)/obj/prefixed/%.o)

CFLAGS ?= -O2 -g
LIB_CFLAGS := -std=gnu11 -D_GNU_SOURCE -fPIC -fvisibility=hidden -fdata-sections \
	-ftls-model=initial-exec \
	-fno-builtin-malloc -fno-builtin-calloc -fno-builtin-realloc \
	-fno-builtin-free -Wall -Wextra -Wundef -Werror \
	-Iinclude -Iinclude/uapi -Ilibuser \
	$(if $(CONF_DEFAULT),'-DCONF_DEFAULT="$(CONF_DEFAULT)"')
# Sorted by name (GNU ld; others leave them as they come), small variables lie together and
# before the large (BULK): fewer pages of a small process are its own. Never unloaded (nodelete): each thread that used
# it still calls it when it ends, and blocks outlive a dlclose. A fault maps the 64 KB
# around it, counted from multiples of 64 KB: the text begins at one.
LIB_LDFLAGS := -shared -Wl,-z,defs,-z,nodelete,-z,now,-z,relro,--as-needed,-O1 \
	-Wl,--sort-section=name,--hash-style=gnu,-z,max-page-size=65536,-fini,none

lib: ## build the library alone; needs no kernel headers
lib: $(foreach l,libashlar libashlar-prefixed,$(B)/$l.so $(B)/$l.a)

$(B)/obj/override/%.o: libuser/%.c Makefile | $(B)/obj/override
	$(call say,CC)
	$(Q)$(CC) $(LIB_CFLAGS) -DASHLAR_OVERRIDE=1 $(CFLAGS) -MMD -MP -c -o $@ $<

$(B)/obj/prefixed/%.o: libuser/%.c Makefile | $(B)/obj/prefixed
	$(call say,CC)
	$(Q)$(CC) $(LIB_CFLAGS) -DASHLAR_OVERRIDE=0 $(CFLAGS) -MMD -MP -c -o $@ $<

# A sample's stack begins at frame pointers: the doors that call something have
# one, the fast paths only jump, and block.c and resize.c between leave the register alone.
# (Where the compiler has no such option, frame pointers are its default.)
DOORS := malloc jemalloc override_cxx override_glibc
$(foreach f,$(DOORS),$(B)/obj/override/$f.o $(B)/obj/prefixed/$f.o): \
	LIB_CFLAGS += -fno-omit-frame-pointer -momit-leaf-frame-pointer
$(foreach f,block resize,$(B)/obj/override/$f.o $(B)/obj/prefixed/$f.o): LIB_CFLAGS += $(shell \
	echo 'int x;' | $(CC) -Werror -ffixed-rbp -S -o /dev/null -x c - >/dev/null 2>&1 && echo -ffixed-rbp)

# The export maps say what is public.
$(B)/libashlar.so.$(SOVERSION): $(LIB_OBJECTS) $(wildcard libuser/libashlar.map)
$(B)/libashlar-prefixed.so.$(SOVERSION): $(CORE_OBJECTS) \
	$(wildcard libuser/libashlar-prefixed.map)
$(B)/%.so.$(SOVERSION):
	$(call say,LD)
	$(Q)$(CC) $(LIB_LDFLAGS) $(CFLAGS) $(LDFLAGS) -Wl,-soname,$(@F) \
		$(addprefix -Wl$(comma)--version-script=,$(filter %.map,$^)) \
		-o $@ $(filter $(LIB_HEAD),$^) -lc -lgcc \
		$(filter-out $(LIB_HEAD),$(filter %.o,$^))

$(B)/%.so: $(B)/%.so.$(SOVERSION)
	$(Q)ln -sf $(<F) $@

$(B)/libashlar.a: $(LIB_OBJECTS)
$(B)/libashlar-prefixed.a: $(CORE_OBJECTS)

# One object, so that all names come together or not at all, with what the
# library shares between its own files made local.
$(B)/%.a:
	$(call say,AR)
	$(Q)$(LD) -r -o $(B)/obj/$*.lib $^
	$(Q)$(OBJCOPY) --localize-hidden $(B)/obj/$*.lib
	$(Q)rm -f $@
	$(Q)$(AR) rcs $@ $(B)/obj/$*.lib

$(B)/obj $(B)/obj/override $(B)/obj/prefixed:
	$(Q)mkdir -p $@

-include $(LIB_OBJECTS:.o=.d) $(CORE_OBJECTS:.o=.d)

# --- the module ---
# Built in a tree of links, one for each kernel: objects of two kernels never
# meet, and the source stays clean. MODULE_SETS is "RELEASE DIRECTORY" pairs.

MODULE_SOURCES := $(sort Kbuild $(wildcard kmod/*.[ch] include/uapi/linux/*.h))
MODULE_SETS = $(shell selftests/guest/headers list)
MODULE_RELEASES = $(filter-out /%,$(MODULE_SETS))

# Without headers `make` still builds the rest, and says so.
modules: ## build ashlar.ko for every set of kernel headers found
	@set -- $(MODULE_SETS); \
	if [ $$# -eq 0 ] && [ '$(origin MODULE_SETS)' = file ]; then \
		echo "no kernel headers found, so no module is built: install" \
		     "linux-headers-$$(uname -r), or run selftests/deps build"; \
	fi; \
	while [ $$# -gt 0 ]; do \
		$(MAKE) --no-print-directory module \
			RELEASE="$$1" HEADERS="$$2" || exit 1; \
		shift 2; \
	done

M = $(CURDIR)/$(B)/kmod/$(RELEASE)
.PHONY: module
module:
	@mkdir -p $(M)
	@find $(M) -xtype l -delete
	@for file in $(MODULE_SOURCES); do \
		[ -e $(M)/$$file ] || { mkdir -p $(M)/$$(dirname $$file) && \
		ln -s $(CURDIR)/$$file $(M)/$$file; } || exit 1; \
	done
	+$(Q)$(MAKE) --no-print-directory -C $(HEADERS) M=$(M) modules

# --- the tools ---

# ashlarctl is all of tools/, and what it shares with the library: its table of
# options, from the prefixed library's objects, of which the linker takes what it needs.

TOOL_SOURCES := $(sort $(wildcard tools/*.c))
TOOL_OBJECTS := $(TOOL_SOURCES:tools/%.c=$(B)/obj/tools/%.o)
TOOL_CFLAGS := -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Wundef -Werror \
	-Iinclude -Iinclude/uapi -Ilibuser
TOOLS := $(B)/ashlarctl

tools: $(TOOLS) ## build ashlarctl

$(B)/ashlarctl: $(TOOL_OBJECTS) $(B)/obj/core.a
	$(call say,LD)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -ljson-c -lnuma

$(B)/obj/core.a: $(CORE_OBJECTS)
	$(call say,AR)
	$(Q)rm -f $@
	$(Q)$(AR) rcs $@ $^

$(B)/obj/tools/%.o: tools/%.c Makefile | $(B)/obj/tools
	$(call say,CC)
	$(Q)$(CC) $(TOOL_CFLAGS) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(B)/obj/tools:
	$(Q)mkdir -p $@

-include $(TOOL_OBJECTS:.o=.d)

# --- looking at it ---
# These install what they need from Debian first (selftests/deps says what).

check: ## run every test; SUITE=unit (or unit/NAME) runs a part
	@selftests/deps build check
	@$(MAKE) --no-print-directory all
	@selftests/check $(SUITE)

check-debug: ## build the debug kernel once and run the device tests on it
	@selftests/deps build check debug
	@selftests/guest/debug-kernel
	@$(MAKE) --no-print-directory all
	@selftests/check --debug $(SUITE)

# SECONDS is bash's; here it is only what was given.
fuzz: ## fuzz the parts against models, for ever; SECONDS=600 each, NAME=slab one
	@selftests/deps build check
	@selftests/fuzz/run --seconds $(or $(SECONDS),0) $(NAME)

demo: ## show it: Debian's redis on kernel-backed huge pages, in a guest
	@selftests/deps build demo
	@$(MAKE) --no-print-directory all
	@demo/run

bench: ## time malloc patterns and programs against other allocators
	@selftests/deps build bench
	@$(MAKE) --no-print-directory lib
	@bench/run $(BENCH)

bench-kernel: ## count the module's instructions beside THP and hugetlbfs, in a guest
	@selftests/deps build check bench
	@$(MAKE) --no-print-directory modules
	@bench/kernel $(BENCH)

bench-instr: ## count instructions per malloc and free with callgrind
	@selftests/deps build bench
	@$(MAKE) --no-print-directory lib
	@bench/instr $(BENCH)

# --- installing it ---
# One list serves install and uninstall: "source:directory" of each file, with a
# ":name" behind it where it gets another one. The packages are cut out of the same list.
# MODULE_SETS= (nothing) leaves the module out.

LIBDIR := $(PREFIX)/lib
SHAREDIR := $(PREFIX)/share
UNITDIR := $(PREFIX)/lib/systemd/system
ZSHDIR := $(SHAREDIR)/zsh/site-functions
INSTALLED = \
	$(foreach l,libashlar libashlar-prefixed, \
		$(B)/$l.so.$(SOVERSION):$(LIBDIR) $(B)/$l.so:$(LIBDIR) \
		$(B)/$l.a:$(LIBDIR) $(B)/$l.pc:$(LIBDIR)/pkgconfig) \
	include/ashlar.h:$(PREFIX)/include \
	include/uapi/linux/ashlar.h:$(PREFIX)/include/linux \
	$(foreach f,config config-version, \
		$(B)/cmake/ashlar-$f.cmake:$(LIBDIR)/cmake/ashlar) \
	packaging/boot/60-ashlar.rules:/lib/udev/rules.d \
	packaging/boot/ashlar.sysusers:$(PREFIX)/lib/sysusers.d:ashlar.conf \
	packaging/boot/ashlar.modules-load:$(PREFIX)/lib/modules-load.d:ashlar.conf \
	$(UNITS:%=%:$(UNITDIR)) \
	$(patsubst %,%:$(SHAREDIR)/doc/ashlar/examples,$(wildcard packaging/examples/* packaging/monitoring/* examples/*.c)) \
	$(TOOLS:%=%:$(PREFIX)/bin) \
	$(B)/completion/bash/ashlarctl:$(SHAREDIR)/bash-completion/completions \
	$(B)/completion/zsh/_ashlarctl:$(ZSHDIR) \
	$(foreach p,$(shell cat $(B)/man/list 2>/dev/null), \
		$(B)/man/$p:$(SHAREDIR)/man/$(patsubst %/,%,$(dir $p)))
# The administrator's from then on: an existing one is not replaced, and a changed one stays.
CONFIGURATION = \
	packaging/boot/ashlar.modprobe:/etc/modprobe.d:ashlar.conf \
	packaging/boot/ashlar-pool.conf:/etc \
	packaging/boot/ashlar.apparmor:/etc/apparmor.d/abstractions:ashlar
# Directories that are this project's alone, and go with what is in them.
OWN_DIRECTORIES := $(LIBDIR)/cmake/ashlar $(SHAREDIR)/doc/ashlar/examples $(SHAREDIR)/doc/ashlar
# Modules go to the kernels of this machine that they were built for; those of
# the test guests stay here.
INSTALLED_MODULES = $(if $(MODULE_SETS),$(foreach r,$(notdir $(wildcard $(B)/kmod/*)), \
	$(if $(wildcard /lib/modules/$r/modules.order), \
		$(wildcard $(B)/kmod/$r/ashlar.ko):/lib/modules/$r/updates)))

UNITS := $(patsubst packaging/boot/%.in,$(B)/units/%,$(wildcard packaging/boot/*.service.in)) \
	$(wildcard packaging/boot/*.timer)
GENERATED := $(foreach l,libashlar libashlar-prefixed,$(B)/$l.pc) \
	$(foreach f,config config-version,$(B)/cmake/ashlar-$f.cmake) \
	$(B)/completion/bash/ashlarctl $(B)/completion/zsh/_ashlarctl $(B)/man/list \
	$(filter $(B)/%,$(UNITS))

# PREFIX may change between two calls.
.PHONY: prefix
$(B)/lib%.pc: packaging/libashlar.pc.in Makefile prefix | $(B)/obj
	$(Q)sed -e 's,@PREFIX@,$(PREFIX),; s,@LIBDIR@,$(LIBDIR:$(PREFIX)/%=$${prefix}/%),' \
		-e 's,@VERSION@,$(VERSION),; s,@NAME@,$*,' $< >$@

$(B)/cmake/%.cmake: packaging/%.cmake.in Makefile prefix
	$(Q)mkdir -p $(@D)
	$(Q)sed -e 's,@VERSION@,$(VERSION),; s,@SOVERSION@,$(SOVERSION),' \
		-e 's,@TO_PREFIX@,$(shell realpath -m --relative-to=$(LIBDIR)/cmake/ashlar $(PREFIX)),' $< >$@

$(B)/units/%: packaging/boot/%.in Makefile prefix
	$(Q)mkdir -p $(@D)
	$(Q)sed 's,@PREFIX@,$(PREFIX),' $< >$@

$(B)/completion/bash/ashlarctl $(B)/completion/zsh/_ashlarctl: $(B)/ashlarctl
	$(Q)mkdir -p $(@D)
	$(Q)$< completion $(notdir $(@D)) >$@

man: $(B)/man/list ## build the manual pages from the code's own comments

MAN_SOURCES := $(wildcard Documentation/man/* Documentation/ABI/testing/*) Documentation/ctl.md \
	include/ashlar.h include/uapi/linux/ashlar.h libuser/conf.h libuser/serve.h \
	$(wildcard kmod/*.c)
$(B)/man/list: $(B)/ashlarctl $(MAN_SOURCES)
	$(call say,MAN)
	$(Q)rm -rf $(@D)
	$(Q)/usr/bin/python3 Documentation/man/make.py $< $(@D)

# Of "source:directory:name", in the shell's $$entry, the parts.
parts = source=$${entry%%:*}; rest=$${entry\#*:}; dir="$(DESTDIR)$${rest%%:*}"; name=$${source\#\#*/}; \
	case $$rest in *:*) name=$${rest\#*:};; esac

install: all $(GENERATED) ## install below PREFIX (/usr/local) and, if set, DESTDIR
	@set -e; for entry in $(INSTALLED) $(INSTALLED_MODULES) $(CONFIGURATION); do \
		$(parts); \
		case " $(CONFIGURATION) " in *" $$entry "*) \
			[ ! -e "$$dir/$$name" ] || continue ;; \
		esac; \
		mode=644; [ ! -x $$source ] || mode=755; \
		echo "$$dir/$$name"; \
		mkdir -p "$$dir"; \
		if [ -L $$source ]; then cp -d $$source "$$dir/$$name"; \
		else install -m $$mode $$source "$$dir/$$name"; fi; \
	done
	@[ -n "$(DESTDIR)" ] || { ldconfig; getent group ashlar >/dev/null || \
		groupadd --system ashlar; \
		for r in $(notdir $(wildcard $(B)/kmod/*)); do \
			[ ! -e /lib/modules/$$r/updates/ashlar.ko ] || depmod $$r; \
		done; \
		[ ! -d /run/systemd/system ] || { systemctl daemon-reload; udevadm control --reload; }; }

uninstall: $(GENERATED) ## remove what install put there (the group ashlar, and changed files of /etc, stay)
	@for entry in $(INSTALLED) $(INSTALLED_MODULES); do \
		$(parts); \
		rm -fv "$$dir/$$name"; \
	done
	@for entry in $(CONFIGURATION); do \
		$(parts); \
		if cmp -s $$source "$$dir/$$name"; then rm -fv "$$dir/$$name"; \
		elif [ -e "$$dir/$$name" ]; then echo "$$dir/$$name was changed, and stays"; fi; \
	done
	@for dir in $(OWN_DIRECTORIES); do \
		[ ! -d "$(DESTDIR)$$dir" ] || rmdir "$(DESTDIR)$$dir" || exit 1; \
	done

# --- packages ---

deb: ## build Debian's packages into build/deb (packaging/README.md)
	@selftests/deps build deb
	@packaging/build-deb

check-install: ## install, use, upgrade and purge the packages in a Debian guest with systemd
	@selftests/deps build check deb image
	@packaging/build-deb
	@selftests/packages/run

clean: ## remove build/
	rm -rf $(B)

help: ## this list
	@echo "Ashlar $(VERSION): make TARGET"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' \
		Makefile | expand -t 16
