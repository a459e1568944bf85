/* What a client may not see of the daemon's answers: objects of others, and the proxy's own
   container. Pure: answers in, judgement or a new answer out. See policy/hide.c, hide_rewrite.c. */
#ifndef SOCKWARDEN_HIDE_H
#define SOCKWARDEN_HIDE_H

#include "json.h"
#include "bounds.h"

struct hide {
    struct str own_container; /* full ID of the proxy's own container; p NULL: none */
    struct str label;         /* that an object must bear to be seen; p NULL: none */
    struct str value;         /* of that label */
    bool images;              /* images must bear it, too; else all are seen */
};

/* What kind of object it is; as elements of lists, and as inspected. */
enum hide_shape {
    HIDE_CONTAINER, /* Id; Labels, inspected Config.Labels */
    HIDE_VOLUME,    /* Labels */
    HIDE_NETWORK,   /* Labels; bridge, host and none are seen by everybody */
    HIDE_IMAGE,     /* Labels, inspected Config.Labels */
    HIDE_SERVICE,   /* Spec.Labels; also secrets and configs */
    HIDE_TASK,      /* Labels or Spec.ContainerSpec.Labels; Status.ContainerStatus.ContainerID */
    HIDE_EVENT,     /* Actor.Attributes, where the daemon puts labels of containers and images;
                       Actor.ID,     id, and the attribute "container" of volumes and networks */
    HIDE_SHAPES
};

/* Must the object stay unseen? What is no object, or has no label where there must be one, must. So
   must events of volumes, networks and the daemon under a label: they bear none
   (https://docs.docker.com/reference/cli/docker/system/events/). */
bool object_hidden(const struct hide *hide, enum hide_shape shape, const struct json *object);

/* Lists of full container IDs. */
struct hide_ids {
    const struct str *items;
    size_t count;
};

/* A network, inspected or an element of a list below API 1.28, without hidden containers: the own
   one, and those that visible does not name, endpoints without a container among them. visible
   NULL: all may be seen, but under a label only in a network that bears it, whose containers reach
   each other anyway. All other bytes stay. False: not well-formed, or no memory; the answer must
   not be passed on. *out is in the arena, or the text itself. */
bool hide_in_network(const struct hide *hide, const struct hide_ids *visible, struct str text,
                     struct arena *arena, struct str *out);

/* An image, inspected or an element of a list, without the containers that use it: under a label
   none is named or counted, else the own one is left out. They are named where manifests were asked
   for (from API 1.47 on, "ImageData.Containers" of each). The same contract as above. */
bool hide_in_image(const struct hide *hide, struct str text, struct arena *arena, struct str *out);

/* SystemDataUsage without hidden objects, in both shapes (Images, Containers, Volumes, BuildCache,
   LayersSize; and, from API 1.52 on, ImageUsage, ContainerUsage, VolumeUsage, BuildCacheUsage).
   Totals are made anew from what is left where the items are there. Where they are not, or tell of
   others (the build cache, how many containers use an image), they are left out under a label; for
   the own container alone its count is taken off. The same contract as above. */
bool hide_in_usage(const struct hide *hide, struct str text, struct arena *arena, struct str *out);

#endif
