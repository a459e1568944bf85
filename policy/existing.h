/* Judging objects that exist. Private to policy/. */
#ifndef POLICY_EXISTING_H
#define POLICY_EXISTING_H

#include "facts.h"

/* Is the object that the operation's path names there for this client, and what the role demands
   of it? Pins the decision to its ID. */
bool existing_passes(struct check *check);

/* A container that the request names anywhere. into: what the request does acts with what the
   container has (exec, start, its volumes, its namespaces), so it must conform; else it must only
   be there for this client. *id: its full ID when it had to be looked up, else p NULL. */
enum finding judge_container(struct check *check, struct str name, bool into, struct str *id);

/* What is sent on in place of what was asked (rewrite.c): the text being judged becomes before, id
   and behind; a parameter becomes value. Nothing to do for an empty id, and while an existing
   object is judged. */
enum finding pin_text(struct check *check, struct str before, struct str id, struct str behind);
enum finding pin_param(struct check *check, const char *name, struct str value);
/* The body's object at a dotted path gets this member: "Labels", "User" ... */
enum finding set_in_body(struct check *check, const char *path, struct str name, struct str value);

/* Is every object of this kind there for the role? Else each must be looked at. (visible.c) */
bool sees_all(const struct check *check, enum fact_kind kind);
/* Is this one there for the client? 404 for what others own, 403 for what `objects` leaves out. */
enum finding judge_visible(struct check *check, const struct found *found, struct str name);
/* Looks the object up if that is needed, and judges the same. *id: its full ID, else p NULL. */
enum finding judge_there(struct check *check, enum fact_kind kind, struct str name, struct str *id);
/* Is it the client's own, where the role has an owner? */
bool owner_has(const struct check *check, const struct found *found);
/* With an owner: is it known who that is? */
enum finding judge_owner_known(struct check *check);

/* What an owner demands of the operation itself: labels on what it makes, filters on what it lists.
   (owner.c) */
enum finding judge_owned(struct check *check);
/* A volume that a container names, as the request would have it made. */
struct named_volume {
    struct str name, driver;
    const struct json_node *options, *labels; /* objects of the body, or NULL */
};
/* One that is not there: with an owner it is made before, with his label, and found then. With
   `objects` its name must be one of those. */
enum look look_missing_volume(struct check *check, const struct named_volume *volume,
                              struct found *found);

/* What reaches things that have no owner and are not named; what `owner` and `objects` demand of
   it. (shared.c) */
enum finding judge_shared(struct check *check);
/* An image that the request runs, mounts or fetches, if it is there already: is it for this
   client? (checks_image.c) */
enum finding judge_image_there(struct check *check, struct str reference);
/* All that is demanded of an image that the request runs or mounts; value: its name in the body.
   made_of: as of judge_signed(). (checks_image.c) */
enum finding judge_image_run(struct check *check, const struct json_node *value,
                             struct str made_of);
/* What was seen of an image that a ContainerCreate names holds for its ID alone, and the name may
   move: a mount gets the ID; a container keeps its image's name, which people read, and
   decision->image says of what it must turn out to be made. (checks_image.c) */
enum finding bind_image(struct check *check, const struct json_node *value, struct str reference);
/* With owners of images: is the name that an image gets free, or the client's own? pulls: only what
   bears another's label counts as taken. */
enum finding judge_image_name_free(struct check *check, struct str reference, bool pulls);
/* The volume of a service, on nodes that nobody can look at. */
enum finding judge_node_volume(struct check *check, struct str name);
/* Labels that a mount gives its volume do not name another owner. */
enum finding judge_volume_labels(struct check *check, const struct json_node *labels);
/* Does the object bear the owner's label, with whatever value? (visible.c) */
bool owner_any(const struct check *check, const struct found *found);
/* Would an object of that name, without labels, be one that `objects` has? (visible.c) */
enum finding judge_new_object(struct check *check, enum fact_kind kind, struct str name);

/* Would the role have created what the inspect shows? (conform.c) */
enum finding judge_conforming(struct check *check, const struct found *found, struct str name);
/* Would the role have made this command? (checks_exec.c) */
enum finding judge_exec_record(struct check *check, const struct found *found);
/* A volume that exists: its driver and options, as if it were made now. (checks_volume.c) restarts:
   the daemon may start its container again by itself. */
enum finding judge_stored_volume(struct check *check, const struct named_volume *volume,
                                 bool restarts);
/* Is an existing object being judged, whose values the daemon has filled in? */
static inline bool check_is_existing(const struct check *check)
{
    return check->outer != NULL;
}
/* 64 hex digits: what the daemon calls containers, networks, and volumes that have no name. */
bool id_is_full(struct str id);
/* Does the image of the existing container bring a member at this path with this name? */
bool image_brings_name(struct check *check, const char *path, struct str name);
/* Does the daemon's /info say this text at a path? Only asked where nothing else passes. */
bool info_says(struct check *check, const char *path, struct str value);

#endif
