/* schema.c - times are milliseconds since 1970 UTC; secrets are kept as SHA-256 (tokens, links, sessions, codes) or argon2id (passwords). */
#include "platform/db/schema.h"

const cr_migration cr_schema[] = {
    {1, "users, sign-in, servers",
     "CREATE TABLE users ("
     "  id INTEGER PRIMARY KEY,"
     "  name TEXT NOT NULL UNIQUE,"               /* as in URLs */
     "  account TEXT NOT NULL UNIQUE,"            /* system name; see identity/user_names.h */
     "  password TEXT,"                           /* argon2id; NULL: cannot sign in with a password yet */
     "  admin INTEGER NOT NULL DEFAULT 0 CHECK (admin IN (0, 1)),"
     "  disabled INTEGER NOT NULL DEFAULT 0 CHECK (disabled IN (0, 1)),"
     "  demo INTEGER NOT NULL DEFAULT 0 CHECK (demo IN (0, 1)),"
     "  created_ms INTEGER NOT NULL,"
     "  last_activity_ms INTEGER"
     ") STRICT;"
     /* Accounts that were given once are not given to another person: files may still carry them. */
     "CREATE TABLE past_accounts (account TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;"
     /* People who are being removed: the intent, kept until nothing of them is left. */
     "CREATE TABLE removals (user_id INTEGER PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE) STRICT;"
     "CREATE TABLE links ("
     "  hash BLOB PRIMARY KEY,"
     "  kind TEXT NOT NULL CHECK (kind IN ('admin', 'invite', 'password')),"
     "  user_id INTEGER REFERENCES users (id) ON DELETE CASCADE,"      /* password: whose */
     "  name TEXT,"                               /* invite: the name proposed by the administrator */
     "  made_by INTEGER REFERENCES users (id) ON DELETE SET NULL,"
     "  created_ms INTEGER NOT NULL,"
     "  expires_ms INTEGER NOT NULL"
     ") STRICT, WITHOUT ROWID;"
     "CREATE TABLE sessions ("
     "  id INTEGER PRIMARY KEY,"
     "  hash BLOB NOT NULL UNIQUE,"
     "  user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,"
     "  created_ms INTEGER NOT NULL,"
     "  expires_ms INTEGER NOT NULL"
     ") STRICT;"
     "CREATE INDEX sessions_user ON sessions (user_id);"
     "CREATE TABLE servers ("
     "  id INTEGER PRIMARY KEY,"
     "  user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,"
     "  name TEXT NOT NULL,"                      /* '' is the default server */
     "  generation INTEGER NOT NULL,"
     "  running INTEGER NOT NULL CHECK (running IN (0, 1)),"           /* asked of the runner and not known to have ended */
     "  started_ms INTEGER,"
     "  ready_after_ms INTEGER,"                  /* how long the last good start took; below 0: the start in the row is not ready so far */
     "  last_activity_ms INTEGER,"
     "  stopped_ms INTEGER,"
     "  stop_reason TEXT,"
     "  stop_text TEXT,"
     "  UNIQUE (user_id, name)"
     ") STRICT;"
     "CREATE TABLE tokens ("
     "  id INTEGER PRIMARY KEY,"
     "  hash BLOB NOT NULL UNIQUE,"
     "  kind TEXT NOT NULL CHECK (kind IN ('server', 'oauth', 'api')),"
     "  user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,"
     "  server_id INTEGER REFERENCES servers (id) ON DELETE CASCADE,"  /* server, oauth */
     "  session_id INTEGER REFERENCES sessions (id) ON DELETE CASCADE,"/* oauth: ends with the session */
     "  code_hash BLOB,"                          /* oauth: the code that it was given for */
     "  note TEXT,"
     "  created_ms INTEGER NOT NULL,"
     "  expires_ms INTEGER"
     ") STRICT;"
     "CREATE INDEX tokens_session ON tokens (session_id);"
     "CREATE INDEX tokens_server ON tokens (server_id);"
     "CREATE TABLE codes ("
     "  hash BLOB PRIMARY KEY,"
     "  server_id INTEGER NOT NULL REFERENCES servers (id) ON DELETE CASCADE,"
     "  session_id INTEGER NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,"
     "  redirect TEXT NOT NULL,"
     "  challenge TEXT NOT NULL,"                 /* PKCE S256 */
     "  used INTEGER NOT NULL DEFAULT 0,"
     "  expires_ms INTEGER NOT NULL"
     ") STRICT, WITHOUT ROWID;"
     "CREATE TABLE sequence (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
     "INSERT INTO sequence VALUES ('generation', 0);"},
    {2, "identity providers",
     /* The key of a person at a provider is (issuer, subject), never a name: names are given again. */
     "CREATE TABLE identities ("
     "  id INTEGER PRIMARY KEY,"
     "  issuer TEXT NOT NULL,"
     "  subject TEXT NOT NULL,"
     "  user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,"
     "  provider TEXT NOT NULL,"
     "  shown TEXT NOT NULL,"                     /* as the provider names the person; for people to read */
     "  email TEXT NOT NULL,"
     "  admin INTEGER NOT NULL DEFAULT 0 CHECK (admin IN (0, 1)),"     /* administrator because the provider says so */
     "  created_ms INTEGER NOT NULL,"
     "  last_ms INTEGER NOT NULL,"
     "  UNIQUE (issuer, subject)"
     ") STRICT;"
     "CREATE INDEX identities_user ON identities (user_id);"
     "CREATE TABLE memberships ("                 /* groups, as the provider named them at the last sign-in */
     "  identity_id INTEGER NOT NULL REFERENCES identities (id) ON DELETE CASCADE,"
     "  name TEXT NOT NULL,"
     "  PRIMARY KEY (identity_id, name)"
     ") STRICT, WITHOUT ROWID;"
     /* Who came with a good proof of identity and without the membership that is required. */
     "CREATE TABLE refusals ("
     "  id INTEGER PRIMARY KEY,"
     "  issuer TEXT NOT NULL,"
     "  subject TEXT NOT NULL,"
     "  provider TEXT NOT NULL,"
     "  name TEXT NOT NULL,"
     "  shown TEXT NOT NULL,"
     "  email TEXT NOT NULL,"
     "  received TEXT NOT NULL,"                  /* groups, one a line */
     "  first_ms INTEGER NOT NULL,"
     "  last_ms INTEGER NOT NULL,"
     "  times INTEGER NOT NULL,"
     "  UNIQUE (issuer, subject)"
     ") STRICT;"},
    {3, "removals last until the helper confirms them",
     "ALTER TABLE removals ADD COLUMN attempts INTEGER NOT NULL DEFAULT 0;"      /* that failed */
     "ALTER TABLE removals ADD COLUMN next_ms INTEGER NOT NULL DEFAULT 0;"       /* when the helper is asked (again) */
     "ALTER TABLE removals ADD COLUMN problem TEXT;"},                           /* why the last attempt failed */
    {4, "scopes of tokens, groups",
     "ALTER TABLE tokens ADD COLUMN scopes TEXT;"                                /* api: JSON list; NULL is all that the person may */
     "ALTER TABLE tokens ADD COLUMN last_ms INTEGER;"                            /* used last; NULL: never */
     "CREATE INDEX tokens_user ON tokens (user_id);"
     "CREATE TABLE groups ("
     "  id INTEGER PRIMARY KEY,"
     "  name TEXT NOT NULL UNIQUE,"
     "  properties TEXT NOT NULL DEFAULT '{}'"    /* JSON object, for programs */
     ") STRICT;"
     /* Put in by an administrator here. Who is in by an identity provider stands in memberships. */
     "CREATE TABLE group_members ("
     "  group_id INTEGER NOT NULL REFERENCES groups (id) ON DELETE CASCADE,"
     "  user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,"
     "  PRIMARY KEY (group_id, user_id)"
     ") STRICT, WITHOUT ROWID;"
     "CREATE INDEX group_members_user ON group_members (user_id);"
     "CREATE INDEX memberships_name ON memberships (name);"
     "INSERT OR IGNORE INTO groups (name) SELECT DISTINCT name FROM memberships ORDER BY name;"},
    {5, "who made a token, how long a membership is believed, groups of a provider under its name",
     /* The people whose right to do so stands behind a token that somebody has not made for himself: it ends with the first of them. */
     "CREATE TABLE token_makers ("
     "  token_id INTEGER NOT NULL REFERENCES tokens (id) ON DELETE CASCADE,"
     "  user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,"
     "  PRIMARY KEY (token_id, user_id)"
     ") STRICT, WITHOUT ROWID;"
     "CREATE INDEX token_makers_user ON token_makers (user_id);"
     "ALTER TABLE tokens ADD COLUMN service TEXT;"                                /* likewise: the service that stands behind it */
     "ALTER TABLE identities ADD COLUMN tokens_until_ms INTEGER NOT NULL DEFAULT 0;"    /* what the last sign-in is worth to API tokens */
     "UPDATE identities SET tokens_until_ms = last_ms + 30 * 86400000;"
     /* A group that has people or properties from here stays under its old name with these; its people by a provider are in the new one. */
     "INSERT OR IGNORE INTO groups (name, properties) SELECT DISTINCT i.provider || ':' || m.name, coalesce(g.properties, '{}') "
     "  FROM memberships m JOIN identities i ON i.id = m.identity_id LEFT JOIN groups g ON g.name = m.name ORDER BY 1;"
     "DELETE FROM groups WHERE name IN (SELECT name FROM memberships) AND properties = '{}' AND id NOT IN (SELECT group_id FROM group_members);"
     /* In two steps: a group may be called already what another one of the person becomes. Names have no control characters. */
     "UPDATE memberships SET name = char(1) || (SELECT provider FROM identities WHERE id = identity_id) || ':' || name;"
     "UPDATE memberships SET name = substr(name, 2);"
     "INSERT OR IGNORE INTO groups (name) SELECT DISTINCT name FROM memberships;"},
    {6, "Dask clusters",
     "CREATE TABLE clusters ("
     "  id INTEGER PRIMARY KEY AUTOINCREMENT,"    /* names a directory of the helper: never given again */
     "  name TEXT NOT NULL UNIQUE,"
     "  user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,"
     "  status TEXT NOT NULL CHECK (status IN ('PENDING', 'RUNNING', 'STOPPING', 'STOPPED', 'FAILED')),"
     "  outcome TEXT,"                            /* STOPPING: what it will be, STOPPED or FAILED */
     "  reason TEXT,"                             /* of that; for people */
     "  options TEXT NOT NULL,"                   /* JSON, as asked for and completed */
     "  cores INTEGER NOT NULL,"                  /* of each worker */
     "  memory_bytes INTEGER NOT NULL,"
     "  generation INTEGER NOT NULL,"             /* of the scheduler */
     /* What its own processes and its person hold anyway; '' when it has ended. */
     "  token TEXT NOT NULL,"
     "  cert TEXT NOT NULL,"
     "  key TEXT NOT NULL,"
     "  scheduler_port INTEGER NOT NULL DEFAULT 0,"
     "  api_port INTEGER NOT NULL DEFAULT 0,"
     "  count INTEGER NOT NULL DEFAULT 0,"        /* workers that the scheduler wants */
     "  last_worker INTEGER NOT NULL DEFAULT 0,"  /* number given last */
     "  created_ms INTEGER NOT NULL,"
     "  stopped_ms INTEGER"
     ") STRICT;"
     "CREATE INDEX clusters_user ON clusters (user_id);"
     "CREATE TABLE cluster_workers ("             /* those asked of the runner and not known to have ended */
     "  generation INTEGER PRIMARY KEY,"
     "  cluster_id INTEGER NOT NULL REFERENCES clusters (id) ON DELETE CASCADE,"
     "  number INTEGER NOT NULL,"
     "  joined INTEGER NOT NULL DEFAULT 0 CHECK (joined IN (0, 1))"
     ") STRICT;"
     "CREATE INDEX cluster_workers_cluster ON cluster_workers (cluster_id);"},
    {7, "clusters belong to servers; what they used; how workers ended",
     "ALTER TABLE clusters ADD COLUMN server_id INTEGER NOT NULL DEFAULT 0;"            /* it ends with this one; 0: with nobody's */
     "ALTER TABLE clusters ADD COLUMN server_generation INTEGER NOT NULL DEFAULT 0;"    /* as servers.generation */
     "ALTER TABLE clusters ADD COLUMN core_ms INTEGER NOT NULL DEFAULT 0;"              /* cores of its workers times how long they were there */
     "ALTER TABLE clusters ADD COLUMN cpu_ms INTEGER NOT NULL DEFAULT 0;"               /* what they computed */
     "CREATE TABLE cluster_failures ("            /* processes that ended unasked */
     "  id INTEGER PRIMARY KEY,"
     "  cluster_id INTEGER NOT NULL REFERENCES clusters (id) ON DELETE CASCADE,"
     "  who TEXT NOT NULL,"                       /* w<number>, or scheduler */
     "  ended_ms INTEGER NOT NULL,"
     "  reason TEXT NOT NULL,"
     "  tail TEXT NOT NULL"                       /* of its log */
     ") STRICT;"
     "CREATE INDEX cluster_failures_cluster ON cluster_failures (cluster_id);"},
    {8, "what was chosen for a server",
     "ALTER TABLE servers ADD COLUMN user_options TEXT;"                          /* JSON object; for the next start, too */
     "ALTER TABLE servers ADD COLUMN memory_bytes INTEGER;"                       /* limits of the last start */
     "ALTER TABLE servers ADD COLUMN cpu_milli INTEGER;"},
    {9, "life of servers",
     "ALTER TABLE servers ADD COLUMN keep_until_ms INTEGER NOT NULL DEFAULT 0;"       /* its person wants it so long, used or not */
     "ALTER TABLE servers ADD COLUMN waiting_ms INTEGER NOT NULL DEFAULT 0;"         /* in the queue since; 0: it is not */
     "CREATE INDEX servers_waiting ON servers (waiting_ms) WHERE waiting_ms > 0;"
     "CREATE TABLE notices ("                     /* announcement and maintenance, when they are on; see hub/notices.h */
     "  name TEXT PRIMARY KEY CHECK (name IN ('announcement', 'maintenance')),"
     "  text TEXT NOT NULL,"
     "  until_ms INTEGER NOT NULL"                /* 0: no end */
     ") STRICT, WITHOUT ROWID;"},
    {10, "invitations for a room",
     "ALTER TABLE links ADD COLUMN seats INTEGER NOT NULL DEFAULT 1;"             /* how many people may use it; more than one: for a room */
     "ALTER TABLE links ADD COLUMN used INTEGER NOT NULL DEFAULT 0;"
     "ALTER TABLE links ADD COLUMN group_name TEXT;"                              /* that they are put into */
     "ALTER TABLE links ADD COLUMN note TEXT NOT NULL DEFAULT '';"},              /* the administrator's, to know it by */
    {11, "shares",
     /* Scopes at one server, given to a person, to a group, or to whoever brings a code; see identity/share.h. */
     "CREATE TABLE shares ("
     "  id INTEGER PRIMARY KEY AUTOINCREMENT,"    /* names a code to people: never given again */
     "  server_id INTEGER NOT NULL REFERENCES servers (id) ON DELETE CASCADE,"
     "  user_id INTEGER REFERENCES users (id) ON DELETE CASCADE,"
     "  group_id INTEGER REFERENCES groups (id) ON DELETE CASCADE,"
     "  hash BLOB UNIQUE,"                        /* of a code */
     "  scopes TEXT NOT NULL,"                    /* JSON list of names without filters: they are for this server */
     "  service TEXT,"                            /* that gave it */
     "  created_ms INTEGER NOT NULL,"
     "  expires_ms INTEGER,"                      /* of a code, as what follows */
     "  last_ms INTEGER,"
     "  used INTEGER NOT NULL DEFAULT 0,"         /* how many times it was taken */
     "  CHECK ((user_id IS NOT NULL) + (group_id IS NOT NULL) + (hash IS NOT NULL) = 1),"
     "  CHECK ((hash IS NULL) = (expires_ms IS NULL)),"
     "  UNIQUE (server_id, user_id),"
     "  UNIQUE (server_id, group_id)"
     ") STRICT;"
     "CREATE INDEX shares_user ON shares (user_id);"
     "CREATE INDEX shares_group ON shares (group_id);"
     /* The people whose right to do so stands behind it: it ends with the first of them. */
     "CREATE TABLE share_makers ("
     "  share_id INTEGER NOT NULL REFERENCES shares (id) ON DELETE CASCADE,"
     "  user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,"
     "  PRIMARY KEY (share_id, user_id)"
     ") STRICT, WITHOUT ROWID;"
     "CREATE INDEX share_makers_user ON share_makers (user_id);"},
    {12, "audit log; when somebody signed in was proved last, and what waits for the next proof",
     "CREATE TABLE audit ("                       /* see identity/audit.h */
     "  id INTEGER PRIMARY KEY AUTOINCREMENT,"
     "  at_ms INTEGER NOT NULL,"
     "  kind TEXT NOT NULL,"
     "  result TEXT NOT NULL CHECK (result IN ('done', 'refused')),"
     "  who TEXT NOT NULL,"                       /* names as they were then: no references, rows outlive people */
     "  via TEXT NOT NULL,"
     "  source TEXT NOT NULL,"
     "  whom TEXT NOT NULL,"
     "  detail TEXT NOT NULL"
     ") STRICT;"
     "CREATE INDEX audit_result ON audit (result, id);"
     "CREATE TRIGGER audit_stays BEFORE UPDATE ON audit BEGIN SELECT raise(ABORT, 'the audit log is not changed'); END;"
     "CREATE TRIGGER audit_once BEFORE INSERT ON audit WHEN EXISTS (SELECT 1 FROM audit WHERE id = NEW.id) "      /* REPLACE */
     "BEGIN SELECT raise(ABORT, 'the audit log is not changed'); END;"
     "CREATE TRIGGER audit_ends BEFORE DELETE ON audit WHEN EXISTS (SELECT 1 FROM audit WHERE result = OLD.result AND id < OLD.id) "
     "BEGIN SELECT raise(ABORT, 'only the oldest rows of the audit log are deleted'); END;"
     "ALTER TABLE sessions ADD COLUMN proved_ms INTEGER NOT NULL DEFAULT 0;"
     "UPDATE sessions SET proved_ms = created_ms;"
     "CREATE TABLE held_forms ("                  /* what was asked for in a session before the proof that it needs */
     "  session_id INTEGER PRIMARY KEY REFERENCES sessions (id) ON DELETE CASCADE,"
     "  path TEXT NOT NULL,"
     "  fields TEXT NOT NULL,"                    /* JSON, [[name, value], ...] */
     "  expires_ms INTEGER NOT NULL"
     ") STRICT;"},
    {13, "dashboards of clusters",
     "ALTER TABLE clusters ADD COLUMN dashboard_port INTEGER NOT NULL DEFAULT 0;" /* 0: none */
     "CREATE TABLE dashboard_keys ("              /* see gateway/dashboards.h */
     "  id INTEGER PRIMARY KEY,"
     "  hash BLOB NOT NULL UNIQUE,"
     "  session_id INTEGER NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,"
     "  is_cookie INTEGER NOT NULL CHECK (is_cookie IN (0, 1)),"                  /* else a code */
     "  expires_ms INTEGER NOT NULL"
     ") STRICT;"
     "CREATE INDEX dashboard_keys_session ON dashboard_keys (session_id);"},
    {14, "people sign in to services; named servers",
     "ALTER TABLE servers ADD COLUMN display_name TEXT NOT NULL DEFAULT '';"      /* '': its name */
     "ALTER TABLE servers ADD COLUMN removing INTEGER NOT NULL DEFAULT 0;"        /* its row goes when it has stopped */
     "ALTER TABLE tokens ADD COLUMN client TEXT;" /* oauth: the service that holds it; NULL: a user server does */
     "CREATE INDEX tokens_client ON tokens (client) WHERE client IS NOT NULL;"
     "DROP TABLE codes;"                          /* they live a minute: who is signing in just now tries again */
     "CREATE TABLE codes ("
     "  hash BLOB PRIMARY KEY,"
     "  server_id INTEGER REFERENCES servers (id) ON DELETE CASCADE,"
     "  client TEXT,"                             /* the service; or else server_id is the client */
     "  session_id INTEGER NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,"
     "  redirect TEXT NOT NULL,"
     "  challenge TEXT NOT NULL,"                 /* PKCE S256; '': a service that has sent none */
     "  scopes TEXT,"                             /* of a service, as in tokens */
     "  used INTEGER NOT NULL DEFAULT 0,"
     "  expires_ms INTEGER NOT NULL,"
     "  CHECK ((server_id IS NULL) = (client IS NOT NULL) AND (client IS NULL) = (scopes IS NULL))"
     ") STRICT, WITHOUT ROWID;"},
    {15, "what homes take; servers started ahead; the audit log by person",
     "CREATE TABLE disk_use ("                    /* as last measured, see hub/disk.h */
     "  user_id INTEGER PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,"
     "  bytes INTEGER NOT NULL,"
     "  at_ms INTEGER NOT NULL,"
     "  top TEXT NOT NULL"                        /* the largest in it: lines BYTES NAME */
     ") STRICT;"
     "CREATE INDEX disk_use_bytes ON disk_use (bytes);"
     "ALTER TABLE servers ADD COLUMN cleaning INTEGER NOT NULL DEFAULT 0;"        /* runs to free space only */
     "ALTER TABLE servers ADD COLUMN guarantee_bytes INTEGER NOT NULL DEFAULT 0;" /* of the last start, by its profile; 0: by the settings */
     "CREATE TABLE ahead ("                       /* see hub/ahead.h */
     "  id INTEGER PRIMARY KEY AUTOINCREMENT,"
     "  group_name TEXT NOT NULL,"                /* as then: the group may go */
     "  begin_ms INTEGER NOT NULL,"
     "  until_ms INTEGER NOT NULL,"               /* its servers are kept so long */
     "  made_by TEXT NOT NULL,"
     "  begun INTEGER NOT NULL DEFAULT 0 CHECK (begun IN (0, 1))"                 /* its people are in ahead_people */
     ") STRICT;"
     "CREATE TABLE ahead_people ("
     "  ahead_id INTEGER NOT NULL REFERENCES ahead (id) ON DELETE CASCADE,"
     "  user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,"
     "  state TEXT NOT NULL CHECK (state IN ('to do', 'asked', 'ready', 'failed')),"
     "  problem TEXT NOT NULL DEFAULT '',"
     "  PRIMARY KEY (ahead_id, user_id)"
     ") STRICT, WITHOUT ROWID;"
     "CREATE INDEX ahead_people_user ON ahead_people (user_id);"
     "CREATE INDEX audit_who ON audit (who, id);"
     "CREATE INDEX audit_whom ON audit (whom, id);"},
    {16, "sign-ins that a provider can end",
     "CREATE TABLE session_logins ("              /* by which sign-in at a provider a session was made */
     "  session_id INTEGER PRIMARY KEY REFERENCES sessions (id) ON DELETE CASCADE,"
     "  issuer TEXT NOT NULL,"
     "  subject TEXT NOT NULL,"
     "  sid TEXT"                                 /* the provider's name for it */
     ") STRICT;"
     "CREATE INDEX session_logins_subject ON session_logins (issuer, subject);"
     "CREATE TABLE logout_tokens ("               /* that were obeyed: each counts once */
     "  hash BLOB PRIMARY KEY,"
     "  expires_ms INTEGER NOT NULL"
     ") STRICT, WITHOUT ROWID;"},
    {17, "what servers were started with",
     "CREATE TABLE server_software ("             /* see gateway/versions.h; of a server started before there is none */
     "  server_id INTEGER PRIMARY KEY REFERENCES servers (id) ON DELETE CASCADE,"
     "  generation INTEGER NOT NULL,"             /* of the start; another one: it is out of date */
     "  python TEXT NOT NULL,"
     "  dask TEXT NOT NULL,"
     "  distributed TEXT NOT NULL"
     ") STRICT;"},
    {18, "mails; addresses that a provider has verified",
     "ALTER TABLE identities ADD COLUMN email_verified INTEGER NOT NULL DEFAULT 0;"      /* known from the next sign-in on */
     "CREATE TABLE mails ("                       /* see identity/mails.h */
     "  id INTEGER PRIMARY KEY AUTOINCREMENT,"
     "  kind TEXT NOT NULL CHECK (kind IN ('invite', 'password', 'test')),"
     "  address TEXT NOT NULL,"
     "  name TEXT NOT NULL,"
     "  link BLOB NOT NULL,"                      /* hash of its link as it was sent last; of a test none */
     "  made_by INTEGER REFERENCES users (id) ON DELETE SET NULL,"
     "  created_ms INTEGER NOT NULL,"
     "  until_ms INTEGER NOT NULL,"
     "  next_ms INTEGER NOT NULL,"                /* of the next try */
     "  tries INTEGER NOT NULL DEFAULT 0,"
     "  state TEXT NOT NULL CHECK (state IN ('waiting', 'sent', 'failed')),"
     "  problem TEXT NOT NULL DEFAULT ''"
     ") STRICT;"
     "CREATE INDEX mails_next ON mails (state, next_ms);"
     "CREATE INDEX mails_created ON mails (created_ms);"},
    {19, "nothing walks over all people, servers and tokens",       /* tests/wire/test_plans.py */
     "CREATE INDEX servers_running ON servers (user_id) WHERE running = 1;"
     "CREATE INDEX servers_removing ON servers (user_id) WHERE removing = 1;"
     "CREATE INDEX servers_generation ON servers (generation);"
     "CREATE INDEX users_activity ON users (last_activity_ms, id);"
     "CREATE INDEX users_admin ON users (id) WHERE admin = 1;"
     "CREATE INDEX sessions_expires ON sessions (expires_ms);"
     "CREATE INDEX tokens_expires ON tokens (expires_ms) WHERE expires_ms IS NOT NULL;"
     "CREATE INDEX tokens_service ON tokens (service) WHERE service IS NOT NULL;"
     "CREATE INDEX tokens_code ON tokens (code_hash) WHERE code_hash IS NOT NULL;"
     "CREATE INDEX logout_tokens_expires ON logout_tokens (expires_ms);"
     "CREATE INDEX codes_expires ON codes (expires_ms);"
     "CREATE INDEX links_expires ON links (expires_ms);"
     "CREATE INDEX shares_expires ON shares (expires_ms) WHERE expires_ms IS NOT NULL;"},
    {21, "guests who are put out later; homes that could not be counted to their end",
     "ALTER TABLE servers ADD COLUMN guests_out_ms INTEGER NOT NULL DEFAULT 0;"   /* when what is open to it is cut (wall), see hub/lab.h; 0: never */
     "ALTER TABLE disk_use ADD COLUMN cut INTEGER NOT NULL DEFAULT 0;"},          /* some of it is not in the figure, see runner/disk_walk.h */
    {22, "languages",
     "ALTER TABLE users ADD COLUMN language TEXT NOT NULL DEFAULT '';"},          /* chosen, for pages and mails; '' : as the browser asks */
    {23, "which software environment servers run from",
     "ALTER TABLE server_software ADD COLUMN software TEXT NOT NULL DEFAULT '';"},       /* a name of profiles.yaml; '': Craton's own */
    {24, "clusters are kept; guests at dashboards",
     "ALTER TABLE clusters ADD COLUMN kept_until_ms INTEGER NOT NULL DEFAULT 0;"         /* by their person, though they have no work; 0: not */
     "ALTER TABLE dashboard_keys ADD COLUMN owner_id INTEGER REFERENCES users (id) ON DELETE CASCADE;"    /* whose dashboards; NULL: of who has signed in */
     "CREATE INDEX dashboard_keys_owner ON dashboard_keys (owner_id) WHERE owner_id IS NOT NULL;"},
    {25, "who has been in a server since it was started; what the operator's files give",
     "CREATE TABLE visits ("                      /* see hub/visits.h */
     "  server_id INTEGER NOT NULL REFERENCES servers (id) ON DELETE CASCADE,"
     "  user_id INTEGER REFERENCES users (id) ON DELETE CASCADE,"                        /* NULL: a service; also the server's own person, with a token */
     "  token BLOB"                               /* the hash of the API token; NULL: by a browser, or a service */
     ") STRICT;"
     "CREATE UNIQUE INDEX visits_server ON visits (server_id, coalesce(user_id, 0), coalesce(token, x''));"
     "CREATE INDEX visits_user ON visits (user_id, server_id);"
     "CREATE INDEX visits_token ON visits (server_id) WHERE token IS NOT NULL;"
     "INSERT OR IGNORE INTO visits SELECT t.server_id, t.user_id, NULL FROM tokens t JOIN servers s ON s.id = t.server_id AND s.user_id <> t.user_id "
     "WHERE t.kind = 'oauth';"
     "CREATE TABLE given_rights (hash BLOB NOT NULL) STRICT;"},                           /* of the text of them, one row; see hub/given.c */
};
const int cr_schema_len = (int)CR_ARRAY_LEN(cr_schema);
