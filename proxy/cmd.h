/* The subcommands. Each gets its arguments without the program's name (argv[0] is the command) and
   returns the exit status. */
#ifndef PROXY_CMD_H
#define PROXY_CMD_H

#include "err.h"
#include "policy.h"

#include <sys/types.h>

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_REFUSED = 3 };

int cmd_serve(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_explain(int argc, char **argv);
int cmd_test(int argc, char **argv);
int cmd_learn(int argc, char **argv);
int cmd_report(int argc, char **argv);
int cmd_audit(int argc, char **argv);
int cmd_routes(int argc, char **argv);
int cmd_roles(int argc, char **argv);
int cmd_healthcheck(int argc, char **argv);
int cmd_verify(int argc, char **argv);
int cmd_import(int argc, char **argv);

/* `test --policy`: would the policy pass what is allowed in audit logs? */
int test_logs(const char *file, bool verbose, char **paths, int count);

struct learned;
/* Reads audit logs; what is wrong with them goes to standard error. False: one cannot be read. */
bool learn_read_all(struct learned *learned, char **paths, int count);

/* A whole file, or standard input for "-"; *length is set. NULL with err set when it cannot be read
   or is larger than max bytes. The caller frees it. */
char *file_read(const char *path, size_t max, size_t *length, struct err *err);
/* May nobody but root and self write this file? False: err names the file and the remedy. A file
   that is not there passes: who reads it says so. */
bool file_private_enough(const char *path, uid_t self, struct err *err);
/* Reads and loads a policy. All errors and warnings go to standard error as FILE:LINE:COLUMN:
   sentence; NULL when there was an error. */
struct policy *policy_read(const char *path, char hash[65]);

/* The same for a text that has been read: errors and warnings go into errors. */
struct policy *policy_of_text(struct str text, char hash[65], struct err_list *errors);

/* A sentence about a role that does not exist, with the nearest one that does. */
void role_missing(const struct policy *policy, const char *name, char *dst, size_t cap);

/* Prints "sockwarden: sentence" to standard error and returns status. */
int cmd_fail(int status, const char *format, ...) PRINTF_LIKE(2, 3);

#endif
