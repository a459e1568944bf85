/* sockwarden routes and roles: what the program knows. */
#include "cmd.h"

#include <stdio.h>

int cmd_routes(int argc, char **argv)
{
    static const char *const bodies[] = {
        [BODY_NONE] = "none", [BODY_JSON] = "json", [BODY_OPAQUE] = "opaque"};
    if (argc > 1)
        return cmd_fail(EXIT_USAGE, "routes takes no argument, and %s is one", argv[1]);
    printf("method\tpath\toperation\tclass\tbody\tgist\n");
    for (size_t i = 0; i < routes_count; i++)
        printf("%s\t%s\t%s\t%s\t%s\t%s\n", routes[i].method, routes[i].path,
               operation_name(routes[i].op), class_name(operation_class(routes[i].op)),
               bodies[routes[i].body], routes[i].gist);
    return EXIT_OK;
}

int cmd_roles(int argc, char **argv)
{
    if (argc > 2)
        return cmd_fail(EXIT_USAGE, "roles takes one name at most: sockwarden roles [NAME]");
    struct str wanted = argc > 1 ? str_of(argv[1]) : (struct str){NULL, 0};
    if (str_starts(wanted, STR("builtin:")))
        wanted = str_skip(wanted, 8);
    for (size_t i = 0; builtin_role_name(i); i++) {
        if (!wanted.p) {
            printf("builtin:%s\t%.*s\n", builtin_role_name(i), STR_ARG(builtin_role_gist(i)));
        } else if (str_is(wanted, builtin_role_name(i))) {
            struct str json = builtin_role_json(i);
            fwrite(json.p, 1, json.n, stdout);
            return EXIT_OK;
        }
    }
    if (!wanted.p)
        return EXIT_OK;
    return cmd_fail(EXIT_FAILED, "there is no built-in role %s; `sockwarden roles` lists them",
                    argv[1]);
}
