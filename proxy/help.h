/* What a command's own --help says below its usage. The commands themselves are main.c's. */
#ifndef PROXY_HELP_H
#define PROXY_HELP_H

/* Options, exit status and an example, with line ends; NULL for a command that has none. */
const char *help_of(const char *command);

#endif
