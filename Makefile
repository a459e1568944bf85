# sockwarden: one Makefile for everything. `make help` lists the targets.

VERSION := 0.1.0
PREFIX  ?= /usr/local
ZSH_COMPLETIONS ?= $(PREFIX)/share/zsh/site-functions
DESTDIR ?=
BUILD   ?= build
CC      ?= cc
V       ?= 0
Q       := $(if $(filter 1,$(V)),,@)

SHELL := /bin/bash
.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:

# ---- what is needed --------------------------------------------------------------------------
DEPS_BUILD := gcc libc6-dev make pkg-config libevent-dev libcjson-dev libssl-dev libseccomp-dev libyaml-dev libcurl4-openssl-dev \
              node-llhttp
DEPS_TEST  := $(DEPS_BUILD) clang libclang-rt-14-dev clang-tidy clang-format cppcheck libcmocka-dev \
              python3 docker.io docker-compose docker-registry busybox-static iptables iproute2 util-linux \
              ca-certificates procps openssl curl strace valgrind debhelper zsh fish

# Targets that must work before the libraries are there.
NO_LIBS := deb image print-deps deps deps-test help clean distclean run test format format-check cppcheck ensure-deps ensure-deps-test uninstall
NEED_LIBS := $(filter-out $(NO_LIBS),$(or $(MAKECMDGOALS),all))

# ---- libraries -------------------------------------------------------------------------------
PKGS := libevent_core openssl libcjson libseccomp
LLHTTP_SHARE ?= /usr/share
ifneq ($(NEED_LIBS),)
  ifeq ($(shell command -v pkg-config),)
    $(error pkg-config is missing: run `make deps` as root, or install: $(DEPS_BUILD))
  endif
  MISSING := $(strip $(foreach p,$(PKGS),$(if $(shell pkg-config --exists $(p) && echo y),,$(p))))
  ifneq ($(MISSING),)
    $(error libraries not found by pkg-config: $(MISSING). Run `make deps` as root, or install: $(DEPS_BUILD))
  endif
  # YAML is read by `import` alone; without the library that says so. YAML=0 leaves it out.
  ifneq ($(YAML),0)
    ifeq ($(shell pkg-config --exists yaml-0.1 && echo y),y)
      YAML_CFLAGS := -DSOCKWARDEN_YAML $(shell pkg-config --cflags yaml-0.1)
      YAML_LIBS   := $(shell pkg-config --libs yaml-0.1)
    endif
  endif
  # libcurl is the registry helper's alone, a program of its own. REGISTRY=0, or no library, leaves it
  # out; a policy that wants a registry to be asked is then refused at the start.
  ifneq ($(REGISTRY),0)
    ifeq ($(shell pkg-config --exists libcurl && echo y),y)
      CURL_CFLAGS := $(shell pkg-config --cflags libcurl)
      CURL_LIBS   := $(shell pkg-config --libs libcurl)
    endif
  endif
  ifeq ($(shell pkg-config --exists libllhttp && echo y),y)
    LLHTTP_CFLAGS := $(shell pkg-config --cflags libllhttp)
    LLHTTP_LIBS   := $(shell pkg-config --libs libllhttp)
    LLHTTP_SRCS   :=
  else ifneq ($(wildcard $(LLHTTP_SHARE)/llhttp/llhttp.c),)
    LLHTTP_CFLAGS := -isystem $(LLHTTP_SHARE)/include/llhttp
    LLHTTP_LIBS   :=
    LLHTTP_SRCS   := $(wildcard $(LLHTTP_SHARE)/llhttp/*.c)
  else
    $(error llhttp not found: neither `pkg-config libllhttp` nor $(LLHTTP_SHARE)/llhttp/llhttp.c (Debian: apt-get install node-llhttp, or run `make deps` as root))
  endif
endif
PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS) 2>/dev/null) $(LLHTTP_CFLAGS) $(YAML_CFLAGS) $(CURL_CFLAGS)
EVENT_LIBS := $(shell pkg-config --libs libevent_core 2>/dev/null)
CJSON_LIBS := $(shell pkg-config --libs libcjson 2>/dev/null)
SSL_LIBS   := $(shell pkg-config --libs openssl 2>/dev/null)
SECCOMP_LIBS := $(shell pkg-config --libs libseccomp 2>/dev/null)
# The helper has the OpenSSL that libcurl has: two of them in one process would mix.
HELPER_SSL_LIBS := $(SSL_LIBS)
# STATIC=1: OpenSSL, libevent, libseccomp and libyaml become part of the program, for the container image. The C
# library stays shared, as it is made for; cJSON too, of which Debian has no archive.
STATIC ?= 0
comma := ,
ifeq ($(STATIC),1)
  EVENT_LIBS   := -Wl,-Bstatic $(EVENT_LIBS) -Wl,-Bdynamic
  SSL_LIBS     := -Wl,-Bstatic $(SSL_LIBS) -Wl,-Bdynamic
  SECCOMP_LIBS := -Wl,-Bstatic $(SECCOMP_LIBS) -Wl,-Bdynamic
  YAML_LIBS    := $(if $(YAML_LIBS),-Wl$(comma)-Bstatic $(YAML_LIBS) -Wl$(comma)-Bdynamic)
endif

# ---- flags -----------------------------------------------------------------------------------
# A flag is used when the compiler takes it without a word.
probe = $(shell echo 'int main(void){return 0;}' | $(CC) -Werror $(1) -x c - -o /dev/null >/dev/null 2>&1 && echo '$(1)')
ifneq ($(NEED_LIBS),)
  HARDEN_CFLAGS := $(call probe,-fstack-protector-strong) $(call probe,-fstack-clash-protection) \
                   $(call probe,-fcf-protection=full) $(call probe,-ftrivial-auto-var-init=zero) \
                   $(call probe,-fno-strict-aliasing) -fno-common -fPIE
  FORTIFY       := $(if $(call probe,-O2 -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3),-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3,-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
  HARDEN_LDFLAGS := -pie $(call probe,-Wl$(comma)-z$(comma)relro) $(call probe,-Wl$(comma)-z$(comma)now) $(call probe,-Wl$(comma)-z$(comma)noexecstack) \
                   $(if $(filter 1,$(STATIC)),-Wl$(comma)--gc-sections $(call probe,-Wl$(comma)-z$(comma)pack-relative-relocs))
endif
WARN := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes \
        -Wvla -Wundef -Wwrite-strings -Wpointer-arith -Wformat=2
WERROR ?= -Werror
OPT  ?= -O2 -g
SAN  ?=
CFLAGS_ALL = -std=c17 -D_GNU_SOURCE -DSOCKWARDEN_VERSION='"$(VERSION)"' $(OPT) $(WARN) $(WERROR) \
             $(HARDEN_CFLAGS) $(if $(SAN),$(SAN) -fno-omit-frame-pointer,$(FORTIFY)) -iquote include $(CFLAGS)
LDFLAGS_ALL = $(HARDEN_LDFLAGS) $(SAN) -Wl,--as-needed -pthread $(LDFLAGS)

# ---- sources ---------------------------------------------------------------------------------
POLICY_SRCS := $(sort $(wildcard policy/*.c))
# Of the helper; the program itself is linked with none of it.
REGISTRY_SRCS := $(addprefix proxy/registry_,helper.c fetch.c job.c kept.c request.c sandbox.c)
PROXY_ALL   := $(sort $(wildcard proxy/*.c))
PROXY_SRCS  := $(if $(CURL_LIBS),$(PROXY_ALL),$(filter-out $(REGISTRY_SRCS),$(PROXY_ALL)))
BUILTINS    := $(sort $(wildcard policy/builtin/*.json))
POLICY_OBJS := $(POLICY_SRCS:%.c=$(BUILD)/%.o) $(BUILD)/gen/builtin_roles.o
PROXY_OBJS  := $(PROXY_SRCS:%.c=$(BUILD)/%.o)
PROXY_LIB_OBJS := $(filter-out $(BUILD)/proxy/main.o $(REGISTRY_SRCS:%.c=$(BUILD)/%.o),$(PROXY_OBJS))
LLHTTP_OBJS := $(patsubst $(LLHTTP_SHARE)/llhttp/%.c,$(BUILD)/llhttp/%.o,$(LLHTTP_SRCS))
UNIT_SRCS   := $(sort $(wildcard tests/unit/test_*.c))
UNIT_BINS   := $(UNIT_SRCS:tests/unit/%.c=$(BUILD)/unit/%)
FUZZ_SRCS   := $(sort $(wildcard tests/fuzz/fuzz_*.c))
FUZZ_BINS   := $(FUZZ_SRCS:tests/fuzz/%.c=$(BUILD)/fuzz/%)
READING     := $(BUILD)/tests/reading
C_FILES     := $(POLICY_SRCS) $(PROXY_ALL) $(UNIT_SRCS) $(FUZZ_SRCS) $(wildcard tests/daemon/*.c tests/fault/*.c tests/fuzz/*.h tests/unit/*.h tests/bench/*.c tests/bench/*.h include/*.h policy/*.h proxy/*.h)
LIBPOLICY   := $(BUILD)/libpolicy.a
LIBPROXY    := $(BUILD)/libproxy.a
BIN         := $(BUILD)/sockwarden
HELPER      := $(if $(CURL_LIBS),$(BUILD)/sockwarden-registry)

.PHONY: all
all: $(BIN) $(HELPER) ## build the program at build/sockwarden

$(BIN): $(BUILD)/proxy/main.o $(LIBPROXY) $(LIBPOLICY) $(LLHTTP_OBJS)
	@echo "  LD      $@"
	$(Q)$(CC) -o $@ $^ $(LDFLAGS_ALL) $(EVENT_LIBS) $(CJSON_LIBS) $(SSL_LIBS) $(SECCOMP_LIBS) $(LLHTTP_LIBS) $(YAML_LIBS)

$(BUILD)/sockwarden-registry: $(REGISTRY_SRCS:%.c=$(BUILD)/%.o) $(LIBPROXY) $(LIBPOLICY)
	@echo "  LD      $@"
	$(Q)$(CC) -o $@ $^ $(LDFLAGS_ALL) $(CURL_LIBS) $(CJSON_LIBS) $(HELPER_SSL_LIBS) $(SECCOMP_LIBS)

$(LIBPOLICY): $(POLICY_OBJS)
	@echo "  AR      $@"
	$(Q)rm -f $@ && ar rcs $@ $^
$(LIBPROXY): $(PROXY_LIB_OBJS)
	@echo "  AR      $@"
	$(Q)rm -f $@ && ar rcs $@ $^

# Objects depend on the flags, so that changing them rebuilds.
FLAGS_STAMP := $(BUILD)/.flags
FLAGS_NOW    = $(CC) $(CFLAGS_ALL) $(PKG_CFLAGS) $(LDFLAGS_ALL)
$(FLAGS_STAMP): FORCE
	$(Q)mkdir -p $(BUILD); echo '$(subst ','\'',$(FLAGS_NOW))' | cmp -s - $@ || echo '$(subst ','\'',$(FLAGS_NOW))' > $@
.PHONY: FORCE
FORCE:

$(BUILD)/policy/%.o: policy/%.c $(FLAGS_STAMP)
	@echo "  CC      $<"
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS_ALL) $(if $(filter policy/json_print.c,$<),$(PKG_CFLAGS)) -MMD -MP -c -o $@ $<
$(BUILD)/proxy/%.o: proxy/%.c $(FLAGS_STAMP)
	@echo "  CC      $<"
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS_ALL) $(PKG_CFLAGS) -pthread -MMD -MP -c -o $@ $<
$(BUILD)/gen/%.o: $(BUILD)/gen/%.c $(FLAGS_STAMP)
	$(Q)$(CC) $(CFLAGS_ALL) -iquote policy -MMD -MP -c -o $@ $<
# llhttp is generated code of another project: no warnings of ours, the same hardening.
$(BUILD)/llhttp/%.o: $(LLHTTP_SHARE)/llhttp/%.c $(FLAGS_STAMP)
	@echo "  CC      llhttp/$*.c"
	$(Q)mkdir -p $(@D) && $(CC) -std=c17 $(OPT) -w $(HARDEN_CFLAGS) $(if $(SAN),$(SAN),$(FORTIFY)) -DLLHTTP_STRICT_MODE=1 $(LLHTTP_CFLAGS) -c -o $@ $<

# The built-in roles, compiled in as text: build/gen/builtin_roles.c defines
#   const char *const builtin_role_texts[][2] = {{"builtin:default", "..."}, ...};
$(BUILD)/gen/builtin_roles.c: $(BUILTINS) Makefile
	$(Q)mkdir -p $(@D) && { \
	  echo '#include "builtin.h"'; echo 'const char *const builtin_role_texts[][2] = {'; \
	  for f in $(BUILTINS); do echo "{\"builtin:$$(basename $$f .json)\","; \
	    sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/^/"/' -e 's/$$/\\n"/' $$f; echo '},'; done; \
	  echo '};'; echo 'const size_t builtin_role_count = sizeof builtin_role_texts / sizeof builtin_role_texts[0];'; } > $@

# ---- tests -----------------------------------------------------------------------------------
WRAP_test_no_memory := $(foreach f,malloc calloc realloc arena_alloc arena_copy arena_join,-Wl$(comma)--wrap=$(f))
WRAP_test_proxy_conn_ends := -Wl,--wrap=audit_write
WRAP_test_proxy_pulled := -Wl,--wrap=policy_decide_again
WRAP_test_proxy_audit_faults := -Wl$(comma)--wrap=write -Wl$(comma)--wrap=ftruncate
$(BUILD)/unit/%: tests/unit/%.c $(LIBPROXY) $(LIBPOLICY) $(LLHTTP_OBJS) $(FLAGS_STAMP)
	@echo "  LD      $@"
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS_ALL) $(PKG_CFLAGS) -iquote policy -iquote proxy -MMD -MP -o $@ $< $(LIBPROXY) $(LIBPOLICY) $(LLHTTP_OBJS) \
	  $(LDFLAGS_ALL) $(WRAP_$*) -lcmocka $(if $(filter test_proxy_%,$*),$(EVENT_LIBS) $(SSL_LIBS) $(SECCOMP_LIBS) $(YAML_LIBS)) $(CJSON_LIBS) $(LLHTTP_LIBS)

$(BUILD)/bench/%: tests/bench/%.c $(LIBPOLICY) $(FLAGS_STAMP)
	@echo "  LD      $@"
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS_ALL) -MMD -MP -o $@ $< $(LIBPOLICY) $(LDFLAGS_ALL) $(CJSON_LIBS)

$(BUILD)/bench/handshake: tests/bench/handshake.c $(FLAGS_STAMP)
	@echo "  LD      $@"
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS_ALL) $(PKG_CFLAGS) -MMD -MP -o $@ $< $(LDFLAGS_ALL) $(SSL_LIBS)

# The programs that the requests go through: on the wire only, nothing of the policy's.
BENCH_WIRE := $(BUILD)/bench/daemon $(BUILD)/bench/pump $(BUILD)/bench/load
$(BUILD)/bench/load: tests/bench/load_conn.c
$(BENCH_WIRE): $(BUILD)/bench/%: tests/bench/%.c tests/bench/wire.c tests/bench/wire.h tests/bench/load.h $(FLAGS_STAMP)
	@echo "  LD      $@"
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS_ALL) $(PKG_CFLAGS) -o $@ $(filter %.c,$^) $(LDFLAGS_ALL) $(SSL_LIBS)

$(BUILD)/bench/allocations.so: tests/bench/allocations.c $(FLAGS_STAMP)
	@echo "  LD      $@"
	$(Q)mkdir -p $(@D) && $(CC) -std=c17 -D_GNU_SOURCE -O2 $(WARN) $(WERROR) -fPIC -shared -o $@ $<

# What the policy engine reads, printed for the differential tests.
$(READING): tests/daemon/reading.c $(LIBPOLICY) $(FLAGS_STAMP)
	@echo "  LD      $@"
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS_ALL) -iquote policy -MMD -MP -o $@ $< $(LIBPOLICY) $(LDFLAGS_ALL) $(CJSON_LIBS)

# Preloaded into the program, instrumented or not: it is neither. glibc declares socket addresses as
# unions, which a definition cannot repeat in ISO C.
FAULT_LIBRARY := $(BUILD)/tests/fault.so
$(FAULT_LIBRARY): tests/fault/fault.c $(FLAGS_STAMP)
	@echo "  LD      $@"
	$(Q)mkdir -p $(@D) && $(CC) -std=c17 -D_GNU_SOURCE -O2 -g $(WARN) -Wno-pedantic $(WERROR) -MMD -MP -fPIC -shared -o $@ $< -ldl

FUZZ_SAN := -fsanitize=address,undefined -fno-sanitize-recover=undefined
WRAP_fuzz_conn := $(foreach f,malloc calloc realloc audit_write,-Wl$(comma)--wrap=$(f))
WRAP_fuzz_trust := $(foreach f,sign_digest_of sign_key_verify sign_key_fingerprint,-Wl$(comma)--wrap=$(f))
WRAP_fuzz_registry_line := -Wl$(comma)--wrap=log_at -Wl$(comma)--wrap=log_seldom
WRAP_fuzz_sign := $(foreach f,sign_key_verify sign_key_fingerprint sign_trust_chain sign_trust_is_authority sign_leaf_free sign_leaf_algorithm \
  sign_leaf_fingerprint sign_leaf_until sign_leaf_verify,-Wl$(comma)--wrap=$(f))
FUZZ_LIBS := $(BUILD)/fuzzlib/.built
# The libraries once more, by clang and instrumented.
$(FUZZ_LIBS): FORCE
	$(Q)$(MAKE) --no-print-directory BUILD=$(BUILD)/fuzzlib CC=clang OPT='-O1 -g' \
	  SAN='-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined' libs
	$(Q)cd $(BUILD)/fuzzlib && { [ -e .built ] && [ -z "$$(find . -name '*.[ao]' -newer .built)" ] || touch .built; }
$(BUILD)/fuzz/%: tests/fuzz/%.c $(wildcard tests/fuzz/*.h) $(FUZZ_LIBS)
	@echo "  FUZZ    $@"
	$(Q)mkdir -p $(@D) && clang -std=c17 -D_GNU_SOURCE -g -O1 -fsanitize=fuzzer $(FUZZ_SAN) -iquote include -iquote policy -iquote proxy \
	  $(PKG_CFLAGS) -o $@ $< $(BUILD)/fuzzlib/libproxy.a $(BUILD)/fuzzlib/libpolicy.a \
	  $(wildcard $(BUILD)/fuzzlib/llhttp/*.o) -pthread $(WRAP_$*) $(EVENT_LIBS) $(SSL_LIBS) $(SECCOMP_LIBS) $(CJSON_LIBS) $(LLHTTP_LIBS) $(YAML_LIBS)
.PHONY: libs
libs: $(LIBPOLICY) $(LIBPROXY) $(LLHTTP_OBJS)

.PHONY: test check check-unit check-pure check-hardening check-docs check-completions check-proxy check-daemon clang asan analyze tidy cppcheck asan-unit asan-bin \
        format format-check fuzz-smoke fuzz-long fault-long soak soak-asan tsan tsan-bin check-tsan unit-bins fuzz-bins
test: ensure-deps-test ## the whole suite: what CI runs (20 to 25 minutes; installs what is missing when root)
	$(Q)tests/run
check: check-unit check-pure check-hardening check-docs check-completions check-proxy ## the quick tests, about two minutes

unit-bins: $(UNIT_BINS) $(READING) $(FAULT_LIBRARY)
check-unit: $(UNIT_BINS) ## unit tests and the policy cases
	$(Q)SRCDIR=$(CURDIR) BUILDDIR=$(BUILD) tests/unit/run $(UNIT_BINS)
check-pure: $(LIBPOLICY) ## libpolicy touches nothing of the outside
	$(Q)tests/unit/check-pure $(LIBPOLICY)
check-hardening: $(BIN) $(HELPER) ## how the programs were built
	$(Q)tests/unit/check-hardening $(BIN)
	$(Q)$(if $(HELPER),tests/unit/check-hardening $(HELPER))
check-completions: $(BIN) ## the shells offer every command and option of --help
	$(Q)tests/unit/check-completions $(BIN)
check-docs: $(BIN) ## the manuals know every option, the examples load
	$(Q)tests/unit/check-docs $(BIN)
check-proxy: $(BIN) $(HELPER) $(FAULT_LIBRARY) ## the proxy before a recording fake daemon
	$(Q)FAULT_LIBRARY=$(FAULT_LIBRARY) python3 -B tests/proxy/run.py --bin $(BIN)
fault-long: $(BIN) $(FAULT_LIBRARY) asan-bin ## every allocation and every system call fails in turn, plain and under sanitizers (some 20 minutes)
	$(Q)FAULTS=long FAULT_LIBRARY=$(FAULT_LIBRARY) python3 -B tests/proxy/run.py --bin $(BIN) --skip-cases -k behaviour_faults
	$(Q)FAULTS=long FAULT_LIBRARY=$(FAULT_LIBRARY) python3 -B tests/proxy/run.py --bin $(BUILD)/asan/sockwarden --skip-cases -k behaviour_faults
check-daemon: $(BIN) $(HELPER) $(READING) ## the real docker CLIs through the proxy to a private dockerd and swarm (root)
	$(Q)python3 -B tests/daemon/run.py --bin $(BIN)
.PHONY: check-package
check-package: ## the image, the compose files and the Debian package, as a user has them (root)
	$(Q)python3 -B tests/package/run.py
clang: ## build everything with clang, warnings are errors
	$(Q)$(MAKE) --no-print-directory BUILD=$(BUILD)/clang CC=clang all unit-bins
asan: ## unit and proxy tests under AddressSanitizer and UBSan
	$(Q)$(MAKE) --no-print-directory BUILD=$(BUILD)/asan OPT='-O1 -g' \
	  SAN='-fsanitize=address,undefined -fno-sanitize-recover=all' check-unit check-proxy
asan-unit: ## the unit tests alone under both
	$(Q)$(MAKE) --no-print-directory BUILD=$(BUILD)/asan OPT='-O1 -g' \
	  SAN='-fsanitize=address,undefined -fno-sanitize-recover=all' check-unit
POLICY_TESTS := $(filter-out $(BUILD)/unit/test_proxy_%,$(UNIT_BINS))
.PHONY: check-policy coverage
check-policy: $(POLICY_TESTS) ## the unit tests of policy/ alone
	$(Q)find $(BUILD) -name '*.gcda' -delete
	$(Q)SRCDIR=$(CURDIR) BUILDDIR=$(BUILD) tests/unit/run $(POLICY_TESTS)
coverage: ## how much of policy/ its tests run; below 95 % of the branches is an error
	$(Q)$(MAKE) --no-print-directory BUILD=$(BUILD)/coverage OPT='-O0 -g' SAN='--coverage' check-policy
	$(Q)tests/unit/coverage $(BUILD)/coverage
asan-bin: ## the instrumented program at build/asan/sockwarden
	$(Q)$(MAKE) --no-print-directory BUILD=$(BUILD)/asan OPT='-O1 -g' \
	  SAN='-fsanitize=address,undefined -fno-sanitize-recover=all' all unit-bins
analyze: ## gcc -fanalyzer
	$(Q)$(MAKE) --no-print-directory BUILD=$(BUILD)/analyze OPT='-O2' CFLAGS='-fanalyzer' libs $(BUILD)/analyze/proxy/main.o
cppcheck: ## cppcheck
	$(Q)cppcheck -q --std=c11 --enable=warning,performance,portability --inline-suppr --error-exitcode=1 \
	  --suppress=missingInclude --suppress=missingIncludeSystem -Iinclude -Ipolicy -Iproxy -DSOCKWARDEN_YAML -DSOCKWARDEN_VERSION='"x"' \
	  -j2 $(POLICY_SRCS) $(PROXY_ALL)
# Paths that clang's analyzer follows in a function; its own default is 225000 and takes four times as long.
TIDY_NODES ?= 75000
tidy: ## clang-tidy (TIDY_NODES=225000 looks deeper)
	$(Q)mkdir -p $(BUILD); printf '%s\n' $(POLICY_SRCS) $(PROXY_SRCS) | xargs -P2 -I{} clang-tidy --quiet --warnings-as-errors='*' {} -- \
	  -std=c17 -D_GNU_SOURCE -DSOCKWARDEN_VERSION='"x"' -iquote include $(PKG_CFLAGS) \
	  -Xclang -analyzer-config -Xclang max-nodes=$(TIDY_NODES) 2>$(BUILD)/tidy.log
format: ## reformat the sources
	$(Q)clang-format -i $(C_FILES)
format-check: ## are the sources formatted?
	$(Q)clang-format --dry-run -Werror $(C_FILES)
.PHONY: bench bench-wire bench-scale bench-decide bench-handshake bench-requests check-bench
bench: $(BIN) bench-wire ## beside HAProxy, nginx and a byte pump (root; ARGS=--quick, --rows KEYS, --help)
	$(Q)python3 -B tests/bench/bench.py $(BIN) --build $(BUILD) $(ARGS)
bench-wire: $(BENCH_WIRE)
bench-scale: $(BIN) bench-wire $(BUILD)/bench/scale ## as connections, streams and policies grow (root)
	$(Q)$(BUILD)/bench/scale
	$(Q)python3 -B tests/bench/bench.py $(BIN) --build $(BUILD) --scale $(ARGS)
bench-decide: $(BUILD)/bench/decide ## what a decision costs, against its targets
	$(Q)$(BUILD)/bench/decide
bench-handshake: $(BIN) $(BUILD)/bench/handshake ## what a TLS connection costs, beside OpenSSL alone
	$(Q)$(BUILD)/bench/handshake $(BIN) certs-example/make-certs.sh
bench-requests: $(BIN) ## what a request costs, with look-ups and without; BEFORE=PROGRAM for another beside it
	$(Q)python3 -B tests/bench/requests.py $(BIN) $(if $(BEFORE),--before $(BEFORE))
.PHONY: check-guard
GUARD_NEEDS := $(BIN) $(BUILD)/bench/daemon $(BUILD)/bench/decide $(BUILD)/bench/allocations.so
check-guard: $(GUARD_NEEDS) ## calls, allocations and instructions of a request, within tests/bench/budget.tsv
	$(Q)python3 -B tests/bench/guard.py $(BIN) --build $(BUILD)
.PHONY: bench-crowd
SCALE ?=
bench-crowd: $(BIN) ## 1,000 clients, 5,000 idle streams and 200 tunnels at once; SCALE='--streams 100' for fewer
	$(Q)python3 -B tests/bench/scale.py $(BIN) $(SCALE)
check-bench: $(BIN) $(BUILD)/bench/decide $(BUILD)/bench/handshake ## the same, briefly, and only what is three times off counts
	$(Q)$(BUILD)/bench/decide 100 3
	$(Q)$(BUILD)/bench/handshake $(BIN) certs-example/make-certs.sh 3 3
	$(Q)python3 -B tests/bench/requests.py $(BIN) --times 50 --rounds 2
fuzz-bins: $(FUZZ_BINS)
FUZZ_SECONDS ?= 5
fuzz-smoke: $(FUZZ_BINS) ## every fuzz target for five seconds (FUZZ_SECONDS)
	$(Q)tests/fuzz/run $(FUZZ_SECONDS) $(FUZZ_BINS)
fuzz-long: ## every fuzz target for ten minutes
	$(Q)$(MAKE) --no-print-directory fuzz-smoke FUZZ_SECONDS=600
SOAK_SECONDS ?= 600
soak: $(BIN) ## a mixed workload of real docker CLIs for SOAK_SECONDS: descriptors, memory and audit chain afterwards (root)
	$(Q)SOAK_SECONDS=$(SOAK_SECONDS) python3 -B tests/daemon/soak.py --bin $(BIN)
SOAK_MINUTES ?= 30
soak-asan: asan-bin ## the proxy suite over and over under sanitizers, for SOAK_MINUTES
	$(Q)end=$$((SECONDS + $(SOAK_MINUTES) * 60)); while [ $$SECONDS -lt $$end ]; do \
	  python3 -B tests/proxy/run.py --bin $(BUILD)/asan/sockwarden || exit 1; done
tsan-bin:
	$(Q)$(MAKE) --no-print-directory BUILD=$(BUILD)/tsan OPT='-O1 -g' SAN='-fsanitize=thread' all
# Uninstrumented libraries are slower with it, too, so waits are longer.
TSAN_RUN = SOCKWARDEN_WORKERS=4 TEST_WAIT=30 TSAN_OPTIONS=exitcode=66 python3 -B tests/proxy/run.py --bin $(BUILD)/tsan/sockwarden --skip-cases
tsan: tsan-bin ## what several workers do at once, under ThreadSanitizer
	$(Q)$(TSAN_RUN) -k behaviour_reload_load --also behaviour_tunnel --also behaviour_facts --also behaviour_limits \
	  --also behaviour_audit --also behaviour_tls. --also behaviour_stream --also behaviour_upstream --also behaviour_admin
check-tsan: tsan-bin ## the same, briefly
	$(Q)$(TSAN_RUN) -k reload_load.load --also tunnel.many_tunnels --also tunnel.full_duplex --also audit.load_keeps \
	  --also facts.volumes_in_parallel --also facts.connections_bounded --also limits.too_many --also limits.limit_with

# ---- a newcomer's two commands, and packages -------------------------------------------------
.PHONY: run deps deps-test ensure-deps ensure-deps-test install uninstall clean distclean help
run: ensure-deps ## install what is missing, build, and serve in front of the local Docker daemon
	$(Q)$(MAKE) --no-print-directory all
	$(Q)docker/quickstart.sh $(BIN)

APT := DEBIAN_FRONTEND=noninteractive apt-get
deps: ## install the Debian packages that building needs (root)
	$(Q)$(APT) update -q && $(APT) install -y -q --no-install-recommends $(DEPS_BUILD)
deps-test: ## install the Debian packages that the tests need (root)
	$(Q)$(APT) update -q && $(APT) install -y -q --no-install-recommends $(DEPS_TEST)
# $(1): packages, $(2): the target that installs them
define ensure
	$(Q)missing=; command -v dpkg-query >/dev/null || exit 0; \
	for p in $(1); do dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$p"; done; \
	[ -z "$$missing" ] && exit 0; \
	if [ "$$(id -u)" != 0 ]; then echo "missing packages:$$missing. Run as root: make $(2)" >&2; exit 1; fi; \
	echo "installing$$missing"; $(MAKE) --no-print-directory $(2)
endef
ensure-deps:
	$(call ensure,$(DEPS_BUILD),deps)
ensure-deps-test:
	$(call ensure,$(DEPS_TEST),deps-test)

.PHONY: deb image print-deps
deb: ## build the Debian package into build/ (apt-get install debhelper)
	$(Q)command -v dh >/dev/null || { echo 'no debhelper: apt-get install debhelper' >&2; exit 1; }
	$(Q)rm -rf build/deb && mkdir -p build/deb && ln -s $(CURDIR)/* build/deb/ && cp -r docker/debian build/deb/
	$(Q)cp --remove-destination README.md SECURITY.md build/deb/
	$(Q)cd build/deb && debian/rules binary
	$(Q)rm -rf build/deb; ls build/sockwarden_$(VERSION)-*.deb
image: ## build the container image sockwarden (IMAGE, BASE, DOCKER: docker/image.sh)
	$(Q)docker/image.sh
print-deps:
	@echo $(DEPS_BUILD)

install: all ## install program, manual pages, completions and schema (DESTDIR, PREFIX)
	install -D -m 0755 $(BIN) $(DESTDIR)$(PREFIX)/bin/sockwarden
	$(if $(HELPER),install -D -m 0755 $(HELPER) $(DESTDIR)$(PREFIX)/libexec/sockwarden-registry)
	install -d $(DESTDIR)$(PREFIX)/share/man/man8 $(DESTDIR)$(PREFIX)/share/man/man5
	sed 's,/usr/local/,$(PREFIX)/,' proxy/sockwarden.8 >$(DESTDIR)$(PREFIX)/share/man/man8/sockwarden.8
	sed 's,/usr/local/,$(PREFIX)/,' policy/sockwarden-policy.5 >$(DESTDIR)$(PREFIX)/share/man/man5/sockwarden-policy.5
	chmod 0644 $(DESTDIR)$(PREFIX)/share/man/man8/sockwarden.8 $(DESTDIR)$(PREFIX)/share/man/man5/sockwarden-policy.5
	install -D -m 0644 policy/sockwarden-policy.schema.json $(DESTDIR)$(PREFIX)/share/sockwarden/policy.schema.json
	install -d $(DESTDIR)$(PREFIX)/share/sockwarden/policies/cases
	install -m 0644 docker/policies/*.json $(DESTDIR)$(PREFIX)/share/sockwarden/policies/
	install -m 0644 docker/policies/cases/*.json $(DESTDIR)$(PREFIX)/share/sockwarden/policies/cases/
	install -D -m 0644 docker/completions/sockwarden.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/sockwarden
	install -D -m 0644 docker/completions/_sockwarden $(DESTDIR)$(ZSH_COMPLETIONS)/_sockwarden
	install -D -m 0644 docker/completions/sockwarden.fish $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/sockwarden.fish
uninstall: ## remove what install has put there
	rm -f $(DESTDIR)$(PREFIX)/bin/sockwarden $(DESTDIR)$(PREFIX)/libexec/sockwarden-registry $(DESTDIR)$(PREFIX)/share/man/man8/sockwarden.8 \
	  $(DESTDIR)$(PREFIX)/share/man/man5/sockwarden-policy.5 $(DESTDIR)$(ZSH_COMPLETIONS)/_sockwarden \
	  $(DESTDIR)$(PREFIX)/share/bash-completion/completions/sockwarden \
	  $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/sockwarden.fish
	rm -rf $(DESTDIR)$(PREFIX)/share/sockwarden
clean: ## remove what was built
	rm -rf $(BUILD)
distclean: clean
help: ## this list
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' Makefile

-include $(wildcard $(BUILD)/*/*.d)
