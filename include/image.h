/* Image references in one normal form, for those who judge them by name. See policy/image.c. */
#ifndef SOCKWARDEN_IMAGE_H
#define SOCKWARDEN_IMAGE_H

#include "arena.h"

struct image_ref {
    struct str registry;   /* "docker.io" */
    struct str repository; /* "library/nginx" */
    struct str name;       /* "docker.io/library/nginx", in the arena */
    struct str tag;        /* without ':'; empty when none */
    struct str digest;     /* "sha256:..."; empty when none */
};

/* Reads a reference as Docker does (distribution/reference: normalised, docker.io and library/
   filled in, index.docker.io is docker.io). False when it is not a valid reference, names its
   registry in upper case, or can only be an ID: 64 hex digits, or "sha256:" with hex digits. A
   shorter ID also reads as a name: ask image_is_id() first. Tag and digest are slices of text. */
bool image_parse(struct str text, struct arena *arena, struct image_ref *out);
/* 1 to 64 hex digits with or without "sha256:": the daemon would look for an ID by prefix. */
bool image_is_id(struct str text);
/* HOST[:PORT] in lower case as an image reference may begin with it. */
bool image_registry_valid(struct str registry);
/* IP address, localhost, or with a port: such a registry must be written out in an entry. */
bool image_registry_by_address(struct str registry);

#endif
