# sockwarden: one Makefile for everything. `make help` lists the targets.

VERSION := 0.1.0
PREFIX  ?= /usr/local
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
DEPS_BUILD := gcc libc6-dev make pkg-config libevent-dev libcjson-dev libssl-dev node-llhttp
DEPS_TEST  := $(DEPS_BUILD) clang libclang-rt-14-dev clang-tidy clang-format cppcheck libcmocka-dev \
              python3 docker.io docker-compose busybox-static iptables iproute2 util-linux \
              ca-certificates procps openssl curl

# Targets that must work before the libraries are there.
NO_LIBS := deps deps-test help clean distclean run test format format-check ensure-deps ensure-deps-test
NEED_LIBS := $(filter-out $(NO_LIBS),$(or $(MAKECMDGOALS),all))

# ---- libraries -------------------------------------------------------------------------------
PKGS := libevent_core openssl libcjson
LLHTTP_SHARE ?= /usr/share
ifneq ($(NEED_LIBS),)
  ifeq ($(shell command -v pkg-config),)
    $(error pkg-config is missing: run `make deps` as root, or install: $(DEPS_BUILD))
  endif
  MISSING := $(strip $(foreach p,$(PKGS),$(if $(shell pkg-config --exists $(p) && echo y),,$(p))))
  ifneq ($(MISSING),)
    $(error libraries not found by pkg-config: $(MISSING). Run `make deps` as root, or install: $(DEPS_BUILD))
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
PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS) 2>/dev/null) $(LLHTTP_CFLAGS)
EVENT_LIBS := $(shell pkg-config --libs libevent_core 2>/dev/null)
CJSON_LIBS := $(shell pkg-config --libs libcjson 2>/dev/null)
SSL_LIBS   := $(shell pkg-config --libs libcrypto 2>/dev/null)

# ---- flags -----------------------------------------------------------------------------------
# A flag is used when the compiler takes it without a word.
probe = $(shell echo 'int main(void){return 0;}' | $(CC) -Werror $(1) -x c - -o /dev/null >/dev/null 2>&1 && echo '$(1)')
ifneq ($(NEED_LIBS),)
  HARDEN_CFLAGS := $(call probe,-fstack-protector-strong) $(call probe,-fstack-clash-protection) \
                   $(call probe,-fcf-protection=full) $(call probe,-ftrivial-auto-var-init=zero) \
                   $(call probe,-fno-strict-aliasing) -fno-common -fPIE
  FORTIFY       := $(if $(call probe,-O2 -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3),-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3,-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
  HARDEN_LDFLAGS := -pie $(call probe,-Wl$(comma)-z$(comma)relro) $(call probe,-Wl$(comma)-z$(comma)now) $(call probe,-Wl$(comma)-z$(comma)noexecstack)
endif
comma := ,
WARN := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes \
        -Wvla -Wundef -Wwrite-strings -Wpointer-arith -Wformat=2
WERROR ?= -Werror
OPT  ?= -O2 -g
SAN  ?=
CFLAGS_ALL = -std=c17 -D_GNU_SOURCE -DSOCKWARDEN_VERSION='"$(VERSION)"' $(OPT) $(WARN) $(WERROR) \
             $(HARDEN_CFLAGS) $(if $(SAN),$(SAN) -fno-omit-frame-pointer,$(FORTIFY)) -Iinclude $(CFLAGS)
LDFLAGS_ALL = $(HARDEN_LDFLAGS) $(SAN) -Wl,--as-needed -pthread $(LDFLAGS)

# ---- sources ---------------------------------------------------------------------------------
POLICY_SRCS := $(sort $(wildcard policy/*.c))
PROXY_SRCS  := $(sort $(wildcard proxy/*.c))
BUILTINS    := $(sort $(wildcard policy/builtin/*.json))
POLICY_OBJS := $(POLICY_SRCS:%.c=$(BUILD)/%.o) $(BUILD)/gen/builtin_roles.o
PROXY_OBJS  := $(PROXY_SRCS:%.c=$(BUILD)/%.o)
PROXY_LIB_OBJS := $(filter-out $(BUILD)/proxy/main.o,$(PROXY_OBJS))
LLHTTP_OBJS := $(patsubst $(LLHTTP_SHARE)/llhttp/%.c,$(BUILD)/llhttp/%.o,$(LLHTTP_SRCS))
UNIT_SRCS   := $(sort $(wildcard tests/unit/test_*.c))
UNIT_BINS   := $(UNIT_SRCS:tests/unit/%.c=$(BUILD)/unit/%)
FUZZ_SRCS   := $(sort $(wildcard tests/fuzz/fuzz_*.c))
FUZZ_BINS   := $(FUZZ_SRCS:tests/fuzz/%.c=$(BUILD)/fuzz/%)
C_FILES     := $(POLICY_SRCS) $(PROXY_SRCS) $(UNIT_SRCS) $(FUZZ_SRCS) $(wildcard tests/unit/*.h tests/bench/*.c include/*.h policy/*.h proxy/*.h)
LIBPOLICY   := $(BUILD)/libpolicy.a
LIBPROXY    := $(BUILD)/libproxy.a
BIN         := $(BUILD)/sockwarden

.PHONY: all
all: $(BIN) ## build the program at build/sockwarden

$(BIN): $(BUILD)/proxy/main.o $(LIBPROXY) $(LIBPOLICY) $(LLHTTP_OBJS)
	@echo "  LD      $@"
	$(Q)$(CC) -o $@ $^ $(LDFLAGS_ALL) $(EVENT_LIBS) $(CJSON_LIBS) $(SSL_LIBS) $(LLHTTP_LIBS)

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
	$(Q)$(CC) $(CFLAGS_ALL) -Ipolicy -MMD -MP -c -o $@ $<
# llhttp is generated code of another project: no warnings of ours, the same hardening.
$(BUILD)/llhttp/%.o: $(LLHTTP_SHARE)/llhttp/%.c $(FLAGS_STAMP)
	@echo "  CC      llhttp/$*.c"
	$(Q)mkdir -p $(@D) && $(CC) -std=c17 $(OPT) -w $(HARDEN_CFLAGS) $(if $(SAN),$(SAN),$(FORTIFY)) -DLLHTTP_STRICT_MODE=1 $(LLHTTP_CFLAGS) -c -o $@ $<

# The built-in roles, compiled in as text: build/gen/builtin_roles.c defines
#   const char *const builtin_role_texts[][2] = {{"default", "..."}, ...};
$(BUILD)/gen/builtin_roles.c: $(BUILTINS)
	$(Q)mkdir -p $(@D) && { \
	  echo '#include "builtin.h"'; echo 'const char *const builtin_role_texts[][2] = {'; \
	  for f in $(BUILTINS); do echo "{\"$$(basename $$f .json)\","; \
	    sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/^/"/' -e 's/$$/\\n"/' $$f; echo '},'; done; \
	  echo '{0, 0}};'; } > $@

# ---- tests -----------------------------------------------------------------------------------
$(BUILD)/unit/%: tests/unit/%.c $(LIBPROXY) $(LIBPOLICY) $(LLHTTP_OBJS) $(FLAGS_STAMP)
	@echo "  LD      $@"
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS_ALL) $(PKG_CFLAGS) -Ipolicy -Iproxy -MMD -MP -o $@ $< $(LIBPROXY) $(LIBPOLICY) $(LLHTTP_OBJS) \
	  $(LDFLAGS_ALL) -lcmocka $(if $(filter test_proxy_%,$*),$(EVENT_LIBS) $(SSL_LIBS)) $(CJSON_LIBS) $(LLHTTP_LIBS)

FUZZ_SAN := -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined
$(BUILD)/fuzz/%: tests/fuzz/%.c $(FORCE_FUZZ)
	@echo "  FUZZ    $@"
	$(Q)mkdir -p $(@D) && $(MAKE) --no-print-directory BUILD=$(BUILD)/fuzzlib CC=clang OPT='-O1 -g' \
	  SAN='-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined' \
	  $(BUILD)/fuzzlib/libpolicy.a $(BUILD)/fuzzlib/libproxy.a llhttp-objs >/dev/null
	$(Q)clang -std=c17 -D_GNU_SOURCE -g -O1 $(FUZZ_SAN) -Iinclude -Ipolicy -Iproxy $(PKG_CFLAGS) -o $@ $< \
	  $(BUILD)/fuzzlib/libproxy.a $(BUILD)/fuzzlib/libpolicy.a $(addprefix $(BUILD)/fuzzlib/llhttp/,$(notdir $(LLHTTP_SRCS:.c=.o))) \
	  -pthread $(CJSON_LIBS) $(LLHTTP_LIBS)
.PHONY: llhttp-objs
llhttp-objs: $(LLHTTP_OBJS)

-include $(wildcard $(BUILD)/*/*.d)
