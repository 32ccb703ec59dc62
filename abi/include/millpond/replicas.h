/* Several servers with one database: what a caller has seen of it, so that a read at a replica
 * never misses it. Included by millpond.h, whose conventions hold.
 */
#ifndef MILLPOND_REPLICAS_H
#define MILLPOND_REPLICAS_H

#include "millpond/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Sessions ---------------------------------------------------------------------------- */

/* A session remembers how far the data was that one caller wrote and read: for each database a
 * position, the highest of all that was seen. A read with the consistency "session" then goes only
 * to a server that has at least this, so that the caller sees its own writes, and never goes back
 * in time. One session stands for one caller: a user's web request, a job. It can be used by
 * several threads and leases at once; each then sees what any of them saw.
 *
 * Its token is the session as text, for a cookie, a header or a message: another process that makes
 * a session of it sees at least as much. A token is made of the characters A-Z a-z 0-9 . _ ~ - and
 * has at most POND_SESSION_TOKEN_MAX of them. It holds no data of the database and no secret, but
 * names servers and positions; it is not signed. Who forges one can only make his own reads slower.
 * A position that is too long for the token (sets of MySQL's GTIDs can be) is not cut: the token
 * then says that the database was seen, and the next reads go to the primary until it has told its
 * position. */
typedef struct pond_session pond_session;

/* The most characters that a token has, without its NUL. */
#define POND_SESSION_TOKEN_MAX 4096

/* Make a session: of a token, or an empty one if `token` is NULL or "". It is destroyed with its
 * last reference. Errors: POND_EINVAL for a text that is no token, or one of a later version of the
 * library. Thread: any. */
POND_API int pond_session_new(const char *token, pond_session **out, pond_error **err);
POND_API pond_session *pond_session_retain(pond_session *session);
POND_API void pond_session_release(pond_session *session);

/* The session as text: what was seen up to now, by finished calls. *out is NUL-terminated; free it
 * with pond_string_free(). A session that has seen nothing has a token, too. Errors: POND_ENOMEM.
 * Thread: any. */
POND_API int pond_session_token(pond_session *session, char **out, pond_error **err);

/* Let the session have seen what a token says, too; for each database the higher position counts.
 * On an error it has at least what it had. Errors: as pond_session_new(). Thread: any. */
POND_API int pond_session_merge(pond_session *session, const char *token, pond_error **err);

#ifdef __cplusplus
}
#endif

#endif
