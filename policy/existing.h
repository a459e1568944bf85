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

/* Would the role have created what the inspect shows? (conform.c) */
enum finding judge_conforming(struct check *check, const struct found *found, struct str name);
/* Would the role have made this command? (checks_exec.c) */
enum finding judge_exec_record(struct check *check, const struct found *found);
/* A volume that exists: its driver and options, as if it were made now. (checks_volume.c) restarts:
   the daemon may start its container again by itself. */
enum finding judge_stored_volume(struct check *check, struct str name, bool restarts);
/* Is an existing object being judged, whose values the daemon has filled in? */
static inline bool check_is_existing(const struct check *check)
{
    return check->outer != NULL;
}
/* Does the daemon's /info say this text at a path? Only asked where nothing else passes. */
bool info_says(struct check *check, const char *path, struct str value);

#endif
