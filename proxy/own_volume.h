/* Volumes of Docker's that a path of the proxy itself lies in. By names alone: it asks no daemon,
   and does not see a volume that is a bind of another folder. */
#ifndef PROXY_OWN_VOLUME_H
#define PROXY_OWN_VOLUME_H

#include "base.h"

/* The next ".../volumes/NAME/_data" that a path goes through, as Docker and others lay volumes out;
 *path becomes what is behind it. False: none. */
bool own_volume_next(struct str *path, struct str *name);

/* The root of a mount, if path is at or below its mount point, by a line of mountinfo (proc(5)),
   which is changed. False: it is not, or the line is not understood. */
bool own_volume_mount(char *line, struct str path, struct str *root);

#endif
