/* What the two halves of reading Sockguard's YAML share. */
#ifndef PROXY_IMPORT_SOCKGUARD_H
#define PROXY_IMPORT_SOCKGUARD_H

#include "import.h"
#include "yaml_tree.h"

/* The switches of request_body: what they open becomes keys of the role, and an operation whose
   switches no key can say is taken from it. requirements_only: only what demands or forbids counts,
   as where a profile has switches of its own. */
void sockguard_read_bodies(struct import *import, struct import_role *role,
                           const struct yaml_tree *bodies, bool requirements_only);
/* Takes from the role what its switches leave closed; once, behind all of the above. unread:
   insecure_allow_body_blind_writes. */
void sockguard_close(struct import *import, struct import_role *role,
                     const struct yaml_tree *bodies, bool unread);

/* A list of texts in *out, at most cap; others are noted as not carried over. */
size_t sockguard_texts(struct import *import, const struct yaml_tree *list, struct str *out,
                       size_t cap);

#endif
