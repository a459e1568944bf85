/* The texts of policy/builtin/NAME.json, compiled in by the Makefile. Ends with {NULL, NULL}. */
#ifndef POLICY_BUILTIN_H
#define POLICY_BUILTIN_H

extern const char *const builtin_role_texts[][2];

#endif
