/* The built-in roles, compiled in by the Makefile: "builtin:NAME" and the text of
   policy/builtin/NAME.json. */
#ifndef POLICY_BUILTIN_H
#define POLICY_BUILTIN_H

#include <stddef.h>

extern const char *const builtin_role_texts[][2];
extern const size_t builtin_role_count;

#endif
