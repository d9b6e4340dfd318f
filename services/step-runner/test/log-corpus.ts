/**
 * Lines as programs and collectors write them, and the expected entries: time, level and message. `lines` that form one
 * entry are in one list. The time of formats without a year is near `CORPUS_NOW`.
 */
export interface Sample {
  readonly format: string;
  readonly lines: readonly string[];
  /** `time | level | message`, with `-` for no time. Times have milliseconds if the line has them. */
  readonly entries: readonly string[];
}

export const CORPUS_NOW = Date.parse('2026-12-01T00:00:00Z');

const E = '\u001b';
const T = '2026-11-28T10:00:00.000Z';
const M = '2026-11-28T10:00:00.123Z';

const one = (format: string, line: string, entry: string): Sample => ({ format, lines: [line], entries: [entry] });
const json = (format: string, value: object, entry: string): Sample => one(format, JSON.stringify(value), entry);

export const CORPUS: readonly Sample[] = [
  // Times, zones and levels.
  one('ISO 8601, level after it', '2026-11-28T10:00:00.123Z ERROR boom', `${M} | error | boom`),
  one(
    'level where a zone could be',
    '2026-11-28 10:00:00,123 WARN com.acme.Svc disk almost full',
    `${M} | warn | com.acme.Svc disk almost full`,
  ),
  one('ERR is no zone', '2026-11-28 10:00:00,123 ERR com.acme.Svc x', `${M} | error | com.acme.Svc x`),
  one('CRIT is no zone', '2026-11-28 10:00:00,123 CRIT com.acme.Svc x', `${M} | fatal | com.acme.Svc x`),
  one('GET is no zone', '2026-11-28 10:00:00 GET /index.html', `${T} | unknown | GET /index.html`),
  one('offset', '2026-11-28T11:00:00.123+01:00 ERROR boom', `${M} | error | boom`),
  one('offset without colon', '2026-11-28 11:00:00,123 +0100 ERROR boom', `${M} | error | boom`),
  one('name of a zone', '2026-11-28 05:00:00.123 EST ERROR boom', `${M} | error | boom`),
  one('UTC with an offset', '2026-11-28 12:00:00.123 UTC+2 ERROR boom', `${M} | error | boom`),
  one('region', '2026-07-28 12:00:00 Europe/Berlin ERROR boom', '2026-07-28T10:00:00.000Z | error | boom'),
  one('nanoseconds', '2026-11-28T10:00:00.123456789Z INFO boom', `${M} | info | boom`),
  one('epoch seconds', '1795860000 ERROR boom', '2026-11-28T10:00:00.000Z | error | boom'),
  one('epoch milliseconds', '1795860000123 ERROR boom', `${M} | error | boom`),
  one('a date that does not exist', '2026-02-30 10:00:00 ERROR boom', '- | error | 2026-02-30 10:00:00  boom'),
  one('a time of day has no date', '10:00:00.123 [main] ERROR c.a.Foo - boom', '- | error | [main]  c.a.Foo - boom'),
  one('TAI64N', '@400000006b0aa62a0754d4c0 service started', '2026-11-28T10:00:00.123Z | unknown | service started'),
  one('German date', '28.11.2026 10:00:00 ERROR boom', `${T} | error | boom`),
  one('American date', '11/28/2026 10:00:00 PM ERROR boom', '2026-11-28T22:00:00.000Z | error | boom'),
  one('RFC 2822', 'Sat, 28 Nov 2026 11:00:00 +0100 ERROR boom', `${T} | error | boom`),
  one('date(1)', 'Sat Nov 28 10:00:00 UTC 2026 backup done', `${T} | unknown | backup done`),
  one('colours', `${E}[90m2026-11-28T10:00:00Z${E}[0m ${E}[31mERROR${E}[0m boom`, `${T} | error | boom`),
  one('colours that rsyslog escaped', '2026-11-28T10:00:00Z #033[31mERROR#033[0m boom', `${T} | error | boom`),
  one('byte order mark and carriage return', '\uFEFF2026-11-28T10:00:00Z ERROR boom\r', `${T} | error | boom`),
  one(
    'a count of no errors',
    '2026-11-28T10:00:00Z processed 10 items, 0 ERROR',
    `${T} | unknown | processed 10 items, 0 ERROR`,
  ),
  one(
    'a word of a sentence',
    'The information desk reported an error in the catalogue',
    '- | unknown | The information desk reported an error in the catalogue',
  ),
  one(
    'a word of an address',
    '2026-11-28T10:00:00Z GET https://x/logs?level=error&q=FATAL took 3 ms',
    `${T} | unknown | GET https://x/logs?level=error&q=FATAL took 3 ms`,
  ),
  one('the first level counts', '2026-11-28T10:00:00Z INFO last status: ERROR', `${T} | info | last status: ERROR`),
  // Text of application loggers.
  one('log4j', '2026-11-28 10:00:00,123 ERROR [main] com.acme.Foo - boom', `${M} | error | [main] com.acme.Foo - boom`),
  one(
    'log4j, thread first',
    '2026-11-28 10:00:00,123 [http-nio-8080-exec-1] WARN  com.acme.Foo - boom',
    `${M} | warn | [http-nio-8080-exec-1]   com.acme.Foo - boom`,
  ),
  one(
    'Spring Boot',
    '2026-11-28T10:00:00.123Z ERROR 1 --- [           main] c.a.Foo : boom',
    `${M} | error | 1 --- [           main] c.a.Foo : boom`,
  ),
  one(
    'Kafka',
    '[2026-11-28 10:00:00,123] ERROR [KafkaServer id=0] boom (kafka.server.KafkaServer)',
    `${M} | error | [KafkaServer id=0] boom (kafka.server.KafkaServer)`,
  ),
  one(
    'ZooKeeper',
    '2026-11-28 10:00:00,123 [myid:1] - WARN  [main:QuorumPeer@123] - boom',
    `${M} | warn | [myid:1] -   [main:QuorumPeer@123] - boom`,
  ),
  one(
    'Elasticsearch',
    '[2026-11-28T10:00:00,123][WARN ][o.e.c.r.a.DiskThresholdMonitor] [node-1] boom',
    `${M} | warn | [o.e.c.r.a.DiskThresholdMonitor] [node-1] boom`,
  ),
  one(
    'Cassandra',
    'ERROR [main] 2026-11-28 10:00:00,123 CassandraDaemon.java:12 - boom',
    `${M} | error | [main]  CassandraDaemon.java:12 - boom`,
  ),
  one('Spark', '26/11/28 10:00:00 ERROR Executor: boom', `${T} | error | Executor: boom`),
  one('HDFS', '261128 100000 148 INFO dfs.DataNode: boom', `${T} | info | 148  dfs.DataNode: boom`),
  one(
    'Tomcat',
    '28-Nov-2026 10:00:00.123 SEVERE [main] org.apache.Foo.bar boom',
    `${M} | error | [main] org.apache.Foo.bar boom`,
  ),
  one(
    'WildFly',
    '10:00:00,123 ERROR [org.jboss.msc] (MSC service thread 1-1) boom',
    '- | error | [org.jboss.msc] (MSC service thread 1-1) boom',
  ),
  one(
    'WebLogic',
    '####<Nov 28, 2026 10:00:00 AM UTC> <Error> <Server> <host> boom',
    `${T} | error | ####  <Server> <host> boom`,
  ),
  one(
    'WebSphere',
    '[11/28/26 10:00:00:123 UTC] 00000001 WsServerImpl  E   WSVR0009E: boom',
    `${M} | error | 00000001 WsServerImpl     WSVR0009E: boom`,
  ),
  one(
    'GlassFish',
    '[2026-11-28T10:00:00.123+0000] [glassfish 4.1] [SEVERE] [] [javax] boom',
    `${M} | error | [glassfish 4.1]  [] [javax] boom`,
  ),
  one(
    'Jenkins',
    '2026-11-28 10:00:00.123+0000 [id=1]\tWARNING\thudson.Main#x: boom',
    `${M} | warn | [id=1]\t\thudson.Main#x: boom`,
  ),
  {
    format: 'java.util.logging',
    lines: ['Nov 28, 2026 10:00:00 AM com.acme.Foo bar', 'SEVERE: boom'],
    entries: [`${T} | error | com.acme.Foo bar boom`],
  },
  one('Python, basicConfig', 'ERROR:root:boom', '- | error | root:boom'),
  one('Python, dashes', '2026-11-28 10:00:00,123 - my.module - ERROR - boom', `${M} | error | - my.module -  - boom`),
  one(
    'Python, OpenStack',
    '2026-11-28 10:00:00.123 2931 ERROR nova.compute [req-1] boom',
    `${M} | error | 2931  nova.compute [req-1] boom`,
  ),
  one('gunicorn', '[2026-11-28 10:00:00 +0000] [12] [ERROR] boom', `${T} | error | [12]  boom`),
  one('Celery', '[2026-11-28 10:00:00,123: ERROR/MainProcess] boom', `${M} | error | boom`),
  one(
    'Airflow',
    '[2026-11-28T10:00:00.123+0000] {taskinstance.py:123} ERROR - boom',
    `${M} | error | {taskinstance.py:123}  - boom`,
  ),
  one('loguru', '2026-11-28 10:00:00.123 | ERROR    | app:main:12 - boom', `${M} | error | | app:main:12 - boom`),
  one('tornado', '[E 261128 10:00:00 web:2239] boom', `${T} | error | web:2239 boom`),
  one('Jupyter', '[W 2026-11-28 10:00:00.123 ServerApp] boom', `${M} | warn | ServerApp boom`),
  one(
    'uvicorn',
    'INFO:     127.0.0.1:5212 - "GET / HTTP/1.1" 500 Internal Server Error',
    '- | error | INFO:     127.0.0.1:5212 - "GET / HTTP/1.1" 500 Internal Server Error',
  ),
  one('Ruby', 'E, [2026-11-28T10:00:00.123456 #17] ERROR -- : boom', `${M} | error | #17  -- : boom`),
  one('Monolog', '[2026-11-28T10:00:00.123456+00:00] app.ERROR: boom {"a":1} []', `${M} | error | boom {"a":1} []`),
  one('Laravel', '[2026-11-28 10:00:00] production.ERROR: boom', `${T} | error | boom`),
  one(
    'PHP',
    '[28-Nov-2026 11:00:00 Europe/Berlin] PHP Fatal error:  Uncaught Exception: boom in /a.php:3',
    `${T} | fatal | PHP Fatal error:  Uncaught Exception: boom in /a.php:3`,
  ),
  one(
    'PHP warning',
    '[28-Nov-2026 10:00:00 UTC] PHP Warning:  Undefined variable $x in /a.php on line 3',
    `${T} | warn | PHP   Undefined variable $x in /a.php on line 3`,
  ),
  one('PHP-FPM', '[28-Nov-2026 10:00:00] WARNING: [pool www] boom', `${T} | warn | [pool www] boom`),
  one('winston', '2026-11-28T10:00:00.123Z error: boom', `${M} | error | boom`),
  one('winston in brackets', '2026-11-28T10:00:00.123Z [error]: boom', `${M} | error | : boom`),
  one('Go log', '2026/11/28 10:00:00 main.go:12: boom', `${T} | unknown | main.go:12: boom`),
  one('Go slog', '2026/11/28 10:00:00 ERROR boom k=v', `${T} | error | boom k=v`),
  one(
    'zap console',
    '2026-11-28T10:00:00.123Z\tERROR\tsvc\tmain.go:12\tboom\t{"k":"v"}',
    `${M} | error | svc\tmain.go:12\tboom\t{"k":"v"}`,
  ),
  one('zerolog console', '2026-11-28T10:00:00Z ERR boom k=v', `${T} | error | boom k=v`),
  one('logrus terminal', 'ERRO[0003] boom   k=v', '- | error | [0003] boom   k=v'),
  one('hclog', '2026-11-28T10:00:00.123Z [WARN]  agent: boom', `${M} | warn | agent: boom`),
  one('NATS', '[1] 2026/11/28 10:00:00.123456 [ERR] boom', `${M} | error | [1]   boom`),
  one(
    'Gin',
    '[GIN] 2026/11/28 - 10:00:00 | 500 |  12.3ms |  10.0.0.1 | GET  "/ping"',
    `${T} | error | [GIN]  | 500 |  12.3ms |  10.0.0.1 | GET  "/ping"`,
  ),
  one('Rust env_logger', '[2026-11-28T10:00:00Z ERROR app::db] boom', `${T} | error | app::db boom`),
  one('Rust tracing', '2026-11-28T10:00:00.123456Z  WARN app::db: boom', `${M} | warn | app::db: boom`),
  one('Rust tracing without time', ' INFO app::db: boom', '- | info | app::db: boom'),
  one('.NET Serilog', '[10:00:00 ERR] boom', '- | error | boom'),
  one('.NET Serilog file', '2026-11-28 11:00:00.123 +01:00 [FTL] boom', `${M} | fatal | boom`),
  one('NLog', '2026-11-28 10:00:00.1234|ERROR|Acme.Foo|boom', `${M} | error | Acme.Foo|boom`),
  {
    format: '.NET console',
    lines: ['fail: Acme.Foo[17]', '      boom', 'info: Acme.Foo[0]', '      fine'],
    entries: ['- | error | Acme.Foo[17] boom', '- | info | Acme.Foo[0] fine'],
  },
  one(
    'klog',
    'E1128 10:00:00.123000       1 reflector.go:138] failed to list pods',
    `${M} | error | 1 reflector.go:138] failed to list pods`,
  ),
  one('glog', 'W20261128 10:00:00.123456  1234 a.cc:12] boom', `${M} | warn | 1234 a.cc:12] boom`),
  one(
    'Android',
    '11-28 10:00:00.123  1234  1250 E ActivityManager: boom',
    `${M} | error | 1234  1250  ActivityManager: boom`,
  ),
  one('Android, brief', 'E/ActivityManager( 1234): boom', '- | error | ActivityManager( 1234): boom'),
  one('spdlog', '[2026-11-28 10:00:00.123] [net] [error] boom', `${M} | error | [net]  boom`),
  one('Erlang and Elixir', '10:00:00.123 [error] boom', '- | error | boom'),
  one('RabbitMQ', '2026-11-28 10:00:00.123456+00:00 [error] <0.229.0> boom', `${M} | error | <0.229.0> boom`),
  one('npm', 'npm ERR! code E404', '- | error | npm ERR! code E404'),
  one('Maven', '[ERROR] Failed to execute goal', '- | error | Failed to execute goal'),
  one('compiler', 'src/main.c:12:5: error: expected expression', '- | error | src/main.c:12:5:  expected expression'),
  one(
    'GitHub Actions',
    '2026-11-28T10:00:00.1234567Z ##[error]Process completed with exit code 1.',
    `${M} | error | ##[error]Process completed with exit code 1.`,
  ),
  // Data bases and servers.
  one(
    'PostgreSQL',
    '2026-11-28 10:00:00.123 UTC [815] ERROR:  relation "x" does not exist',
    `${M} | error | [815]   relation "x" does not exist`,
  ),
  one('PostgreSQL, zone as a number', '2026-11-28 07:00:00.123 -03 [1] ERROR:  x', `${M} | error | [1]   x`),
  one('PostgreSQL, half hours', '2026-11-28 15:30:00.123 +0530 [1] LOG:  x', `${M} | info | [1]   x`),
  one('PostgreSQL, Brazil', '2026-11-28 07:00:00.123 BRT [1] db@user FATAL:  x', `${M} | fatal | [1] db@user   x`),
  one(
    'PostgreSQL CSV',
    '2026-11-28 10:00:00.123 UTC,"u","db",12,"127.0.0.1:5",5f.1,1,"SELECT",2026-11-28 09:00:00 UTC,3/4,0,ERROR,42P01,"boom",,,',
    `${M} | error | "u","db",12,"127.0.0.1:5",5f.1,1,"SELECT",2026-11-28 09:00:00 UTC,3/4,0,ERROR,42P01,"boom",,,`,
  ),
  json(
    'PostgreSQL JSON',
    { timestamp: '2026-11-28 10:00:00.123 UTC', pid: 1, error_severity: 'ERROR', message: 'boom' },
    `${M} | error | boom`,
  ),
  one(
    'MySQL 8',
    '2026-11-28T10:00:00.123456Z 0 [ERROR] [MY-010119] [Server] Aborting',
    `${M} | error | 0  [MY-010119] [Server] Aborting`,
  ),
  one('MySQL note', '2026-11-28T10:00:00.123456Z 0 [Note] boom', `${M} | info | 0  boom`),
  one('MySQL 5.5', '261128 10:00:00 [Warning] boom', `${T} | warn | boom`),
  one('MongoDB 4', '2026-11-28T10:00:00.123+0000 E NETWORK  [conn1] boom', `${M} | error | NETWORK  [conn1] boom`),
  json(
    'MongoDB',
    {
      t: { $date: '2026-11-28T10:00:00.123+00:00' },
      s: 'E',
      c: 'NETWORK',
      id: 1,
      ctx: 'conn1',
      msg: 'boom',
      attr: { error: 'reset' },
    },
    `${M} | error | boom: reset`,
  ),
  one('Redis', '1:M 28 Nov 2026 10:00:00.123 # boom', `${M} | warn | 1:M boom`),
  one(
    'Redis notice',
    '1:M 28 Nov 2026 10:00:00.123 * Ready to accept connections',
    `${M} | info | 1:M Ready to accept connections`,
  ),
  one(
    'ClickHouse',
    '2026.11.28 10:00:00.123456 [ 12 ] {abc} <Error> executeQuery: boom',
    `${M} | error | [ 12 ] {abc}  executeQuery: boom`,
  ),
  {
    format: 'Oracle',
    lines: ['2026-11-28T10:00:00.123456+00:00', 'ORA-00600: internal error code'],
    entries: [`${M} | unknown | ORA-00600: internal error code`],
  },
  one(
    'SQL Server',
    '2026-11-28 10:00:00.12 spid51      Error: 18456, Severity: 14, State: 38.',
    '2026-11-28T10:00:00.120Z | error | spid51       18456, Severity: 14, State: 38.',
  ),
  one(
    'nginx error',
    '2026/11/28 10:00:00 [crit] 12#0: *1 connect() failed, request: "GET /a HTTP/1.1", upstream: "http://x"',
    `${T} | fatal | 12#0: *1 connect() failed, request: "GET /a HTTP/1.1", upstream: "http://x"`,
  ),
  one(
    'web server, fine',
    '10.0.0.1 - - [28/Nov/2026:11:00:00 +0100] "GET /logs?level=error HTTP/1.1" 200 12',
    `${T} | info | 10.0.0.1 - -  "GET /logs?level=error HTTP/1.1" 200 12`,
  ),
  one(
    'web server, 4xx',
    '10.0.0.1 - bob [28/Nov/2026:10:00:00 +0000] "POST /a HTTP/2.0" 404 12 "-" "curl/8"',
    `${T} | warn | 10.0.0.1 - bob  "POST /a HTTP/2.0" 404 12 "-" "curl/8"`,
  ),
  one(
    'web server, 5xx and host',
    'example.com:443 10.0.0.1 - - [28/Nov/2026:10:00:00 +0000] "GET /a HTTP/1.1" 502 0',
    `${T} | error | example.com:443 10.0.0.1 - -  "GET /a HTTP/1.1" 502 0`,
  ),
  one(
    'web server, no request',
    '10.0.0.1 - - [28/Nov/2026:10:00:00 +0000] "\\x16\\x03\\x01" 400 0',
    `${T} | warn | 10.0.0.1 - -  "\\x16\\x03\\x01" 400 0`,
  ),
  one(
    'Apache error',
    '[Sat Nov 28 10:00:00.123456 2026] [core:error] [pid 17:tid 18] [client 10.0.0.1:5] AH00126: boom',
    `${M} | error | [pid 17:tid 18] [client 10.0.0.1:5] AH00126: boom`,
  ),
  one(
    'Apache 2.2 error',
    '[Sat Nov 28 10:00:00 2026] [error] [client 10.0.0.1] boom',
    `${T} | error | [client 10.0.0.1] boom`,
  ),
  one(
    'HAProxy',
    'Nov 28 10:00:00 lb haproxy[143]: 10.0.1.2:33317 [28/Nov/2026:10:00:00.123] http-in static/srv1 10/0/30/69/109 503 2750 - - ---- 1/1/1/1/0 0/0 "GET /a HTTP/1.1"',
    `${T} | error | lb haproxy[143]: 10.0.1.2:33317  http-in static/srv1 10/0/30/69/109 503 2750 - - ---- 1/1/1/1/0 0/0 "GET /a HTTP/1.1"`,
  ),
  one(
    'Envoy',
    '[2026-11-28T10:00:00.123Z] "GET /a HTTP/1.1" 503 UF,URX 0 91 12 - "-" "curl/8"',
    `${M} | error | "GET /a HTTP/1.1" 503 UF,URX 0 91 12 - "-" "curl/8"`,
  ),
  one(
    'AWS load balancer',
    'https 2026-11-28T10:00:00.123456Z app/my-lb/50dc6c495c0c9188 192.168.131.39:2817 10.0.0.1:80 0.086 0.048 0.037 502 502 34 366 "GET https://x:443/ HTTP/1.1" "curl" a b',
    `${M} | error | https  app/my-lb/50dc6c495c0c9188 192.168.131.39:2817 10.0.0.1:80 0.086 0.048 0.037 502 502 34 366 "GET https://x:443/ HTTP/1.1" "curl" a b`,
  ),
  one(
    'Squid',
    '1795860000.123   1234 10.0.0.1 TCP_MISS/503 0 GET http://x/ - HIER_NONE/- -',
    `${M} | error | 1234 10.0.0.1 TCP_MISS/503 0 GET http://x/ - HIER_NONE/- -`,
  ),
  one(
    'uWSGI',
    '[pid: 1|app: 0|req: 1/1] 10.0.0.1 () {28 vars in 456 bytes} [Sat Nov 28 10:00:00 2026] GET / => generated 12 bytes in 3 msecs (HTTP/1.1 500) 2 headers',
    `${T} | error | [pid: 1|app: 0|req: 1/1] 10.0.0.1 () {28 vars in 456 bytes}  GET / => generated 12 bytes in 3 msecs (HTTP/1.1 500) 2 headers`,
  ),
  {
    format: 'IIS',
    lines: [
      '#Software: Microsoft Internet Information Services 10.0',
      '#Fields: date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent) sc-status sc-substatus time-taken',
      '2026-11-28 10:00:00 10.0.0.1 GET /a level=error 443 - 10.0.0.2 curl 500 0 12',
      '2026-11-28 10:00:00 10.0.0.1 GET /b - 443 - 10.0.0.2 curl 200 0 12',
    ],
    entries: [
      `${T} | error | 10.0.0.1 GET /a level=error 443 - 10.0.0.2 curl 500 0 12`,
      `${T} | info | 10.0.0.1 GET /b - 443 - 10.0.0.2 curl 200 0 12`,
    ],
  },
  one(
    'Heroku router',
    '2026-11-28T10:00:00.123456+00:00 heroku[router]: at=error code=H12 desc="Request timeout" method=GET path="/"',
    `${M} | error | heroku[router]: at=error code=H12 desc="Request timeout" method=GET path="/"`,
  ),
  // Key and value.
  one('logfmt', 'time="2026-11-28T11:00:00+01:00" level=error msg="no route"', `${T} | error | msg="no route"`),
  one(
    'Prometheus',
    'ts=2026-11-28T10:00:00.123Z caller=main.go:12 level=warn msg=boom',
    `${M} | warn | caller=main.go:12 msg=boom`,
  ),
  one(
    'Grafana',
    'logger=sqlstore t=2026-11-28T10:00:00.123456Z level=error msg=boom',
    `${M} | error | logger=sqlstore msg=boom`,
  ),
  one(
    'pairs after a sentence',
    '2026-11-28T10:00:00Z could not connect level=error host=x',
    `${T} | error | could not connect host=x`,
  ),
  one(
    'audit',
    'type=SYSCALL msg=audit(1795860000.123:456): arch=c000003e success=no',
    `${M} | unknown | type=SYSCALL msg=audit(1795860000.123:456): arch=c000003e success=no`,
  ),
  one(
    "logfmt, with a level's word in a value",
    'level=info ts=2026-11-28T10:00:00.123Z msg="no ERROR here"',
    `${M} | info | msg="no ERROR here"`,
  ),
  one(
    "pairs after a time, with a level's word in a value",
    '2026-11-28T10:00:00Z msg="no ERROR here" n=1',
    `${T} | unknown | msg="no ERROR here" n=1`,
  ),
  // Syslog and systemd.
  one('RFC 3164', '<11>Nov 28 10:00:00 host app[7]: lost', `${T} | error | host app[7]: lost`),
  one(
    'RFC 3164 without priority',
    'Nov 28 10:00:00 host app[7]: error: lost connection',
    `${T} | error | host app[7]: lost connection`,
  ),
  one(
    'RFC 3164, last year',
    'Dec 31 23:59:58 host app: started',
    '2025-12-31T23:59:58.000Z | unknown | host app: started',
  ),
  one(
    'Postfix',
    'Nov 28 10:00:00 host postfix/smtpd[123]: warning: hostname does not resolve',
    `${T} | warn | host postfix/smtpd[123]: hostname does not resolve`,
  ),
  one(
    'kernel',
    'Nov 28 10:00:00 host kernel: [12345.678901] Out of memory: Killed process 12 (java)',
    `${T} | error | host kernel: [12345.678901] Out of memory: Killed process 12 (java)`,
  ),
  one(
    'rsyslog with ISO',
    '2026-11-28T11:00:00.123456+01:00 host app[7]: ERROR boom',
    `${M} | error | host app[7]: boom`,
  ),
  one(
    'RFC 5424',
    '<163>1 2026-11-28T10:00:00.123Z host app 17 ID47 [x@1 a="b ] c"] boom',
    `${M} | error | host app 17 ID47 [x@1 a="b ] c"] boom`,
  ),
  one(
    'RFC 5424 without data',
    '<165>1 2026-11-28T10:00:00.123Z host app - ID47 - started',
    `${M} | info | host app - ID47 - started`,
  ),
  one(
    'level inside syslog',
    '<30>Nov 28 10:00:00 host dockerd[12]: time="2026-11-28T10:00:00.123Z" level=error msg="boom"',
    `${M} | error | host dockerd[12]: msg="boom"`,
  ),
  one(
    'JSON inside syslog',
    '<14>Nov 28 10:00:00 host app[12]: {"level":"error","msg":"boom"}',
    `${T} | error | host app[12]: boom`,
  ),
  one(
    'Heroku app',
    '2026-11-28T10:00:00.123456+00:00 app[web.1]: E, [2026-11-28T10:00:00.123456 #4] ERROR -- : boom',
    `${M} | error | app[web.1]: #4  -- : boom`,
  ),
  one(
    'Cisco',
    '<189>45: gw: Nov 28 10:00:00.123: %LINK-3-UPDOWN: Interface Gi0/1, changed state to down',
    `${M} | error | 45: gw:  %LINK-3-UPDOWN: Interface Gi0/1, changed state to down`,
  ),
  one('BIND', '28-Nov-2026 10:00:00.123 general: error: boom', `${M} | error | general:  boom`),
  one(
    'VMware',
    '2026-11-28T10:00:00.123Z warning vpxd[7F5B] [Originator@6876 sub=x] boom',
    `${M} | warn | vpxd[7F5B] [Originator@6876 sub=x] boom`,
  ),
  one(
    'Asterisk',
    '[2026-11-28 10:00:00] ERROR[123][C-01]: chan_sip.c:12 f: boom',
    `${T} | error | [123][C-01]: chan_sip.c:12 f: boom`,
  ),
  one('fluentd itself', '2026-11-28 10:00:00 +0000 [warn]: #0 boom', `${T} | warn | : #0 boom`),
  one('Erlang report', '=ERROR REPORT==== 28-Nov-2026::10:00:00 ===', `${T} | error | REPORT====  ===`),
  one('Abseil before its zone', 'W0000 00:00:1795860000.123456   12 a.cc:1] boom', `${M} | warn | 12 a.cc:1] boom`),
  one(
    'Go server',
    '2026/11/28 10:00:00 http: panic serving 10.0.0.1:5: boom',
    `${T} | error | http: panic serving 10.0.0.1:5: boom`,
  ),
  one(
    "a sentence with a level's word",
    '2026-11-28T10:00:00Z Retrying after ERROR response',
    `${T} | unknown | Retrying after ERROR response`,
  ),
  one('systemd priority', '<3>boom', '- | error | boom'),
  json(
    'journald JSON',
    { __REALTIME_TIMESTAMP: '1795860000123456', PRIORITY: '3', MESSAGE: 'boom', _PID: '1' },
    `${M} | error | boom`,
  ),
  json(
    'journald JSON, level of the program',
    { __REALTIME_TIMESTAMP: '1795860000123456', PRIORITY: '6', MESSAGE: 'level=error msg=boom' },
    `${M} | error | msg=boom`,
  ),
  json(
    'journald JSON, bytes',
    { __REALTIME_TIMESTAMP: '1795860000123456', PRIORITY: '4', MESSAGE: [98, 111, 111, 109] },
    `${M} | warn | boom`,
  ),
  {
    format: 'journald export',
    lines: [
      '__CURSOR=s=1;i=2',
      '__REALTIME_TIMESTAMP=1795860000123456',
      'PRIORITY=3',
      'MESSAGE=boom',
      '',
      '__CURSOR=s=1;i=3',
      '__REALTIME_TIMESTAMP=1795860000123456',
      'PRIORITY=7',
      'MESSAGE=fine',
    ],
    entries: [`${M} | error | boom`, `${M} | debug | fine`],
  },
  {
    format: 'journald verbose',
    lines: ['Sat 2026-11-28 10:00:00.123456 UTC [s=ab12;i=1;b=2;m=3;t=4;x=5]', '    PRIORITY=3', '    MESSAGE=boom'],
    entries: [`${M} | error | boom`],
  },
  // Containers.
  json(
    'Docker',
    { log: '2026-11-28T10:00:00Z ERROR boom\n', stream: 'stderr', time: '2026-11-28T10:00:00.1Z' },
    `${T} | error | boom`,
  ),
  json(
    'Docker with JSON',
    { log: '{"level":"error","msg":"boom"}\n', stream: 'stdout', time: '2026-11-28T10:00:00.123456789Z' },
    `${M} | error | boom`,
  ),
  json(
    'Docker, local time inside',
    { log: '2026-11-28 12:00:00 ERROR boom\n', stream: 'stdout', time: '2026-11-28T10:00:00.123Z' },
    `${M} | error | boom`,
  ),
  one(
    'Kubernetes',
    '2026-11-28T10:00:00.123456789Z stderr F E1128 10:00:00.100000       1 a.go:1] boom',
    `${M} | error | 1 a.go:1] boom`,
  ),
  one(
    'Kubernetes with JSON',
    '2026-11-28T10:00:00.123456789Z stderr F {"level":"error","msg":"boom"}',
    `${M} | error | boom`,
  ),
  one(
    'Kubernetes with logfmt',
    '2026-11-28T10:00:00.123456789Z stdout F level=warn msg=boom',
    `${M} | warn | msg=boom`,
  ),
  one(
    'Kubernetes with a web server',
    '2026-11-28T10:00:00.123456789Z stdout F 10.0.0.1 - - [28/Nov/2026:10:00:00 +0000] "GET / HTTP/1.1" 500 1',
    `${T} | error | 10.0.0.1 - -  "GET / HTTP/1.1" 500 1`,
  ),
  {
    format: 'Kubernetes, parts of a line, streams mixed',
    lines: [
      '2026-11-28T10:00:00.123456789Z stdout P {"level":"error",',
      '2026-11-28T10:00:00.123456789Z stderr F WARN other',
      '2026-11-28T10:00:00.123456789Z stdout P "msg":"bo',
      '2026-11-28T10:00:00.123456789Z stdout F om"}',
    ],
    entries: [`${M} | error | boom`, `${M} | warn | other`],
  },
  {
    format: 'Docker, parts of a line',
    lines: [
      JSON.stringify({ log: `{"level":"error","msg":"${'x'.repeat(16_361)}`, stream: 'stdout', time: M }),
      JSON.stringify({ log: 'end"}\n', stream: 'stdout', time: M }),
    ],
    entries: [`${M} | error | ${'x'.repeat(16_361)}end`],
  },
  one('docker compose', 'web-1  | 2026-11-28T10:00:00Z ERROR boom', `${T} | error | boom`),
  one('kubectl logs --prefix', '[pod/web-1/app] 2026-11-28T10:00:00Z ERROR boom', `${T} | error | boom`),
  one(
    'kubectl logs --timestamps',
    '2026-11-28T10:00:00.123456789Z {"level":"error","msg":"boom"}',
    `${M} | error | boom`,
  ),
  json('Fluent Bit', { date: 1795860000.123, log: 'ERROR boom', kubernetes: { pod_name: 'a' } }, `${M} | error | boom`),
  one('Fluentd', '2026-11-28T10:00:00+00:00\tapp.web\t{"level":"error","message":"boom"}', `${T} | error | boom`),
  json(
    'Loki',
    { labels: { app: 'a' }, line: 'level=error msg=boom', timestamp: '2026-11-28T10:00:00.123456789Z' },
    `${M} | error | msg=boom`,
  ),
  // JSON.
  json(
    'pino',
    {
      level: 50,
      time: 1795860000123,
      pid: 1,
      hostname: 'h',
      err: { type: 'Error', message: 'boom' },
      msg: 'task failed',
    },
    `${M} | error | task failed: boom`,
  ),
  json('bunyan', { name: 'a', hostname: 'h', pid: 1, level: 40, msg: 'boom', time: M, v: 0 }, `${M} | warn | boom`),
  json('winston', { level: 'error', message: 'boom', timestamp: M }, `${M} | error | boom`),
  json('zap', { level: 'dpanic', ts: 1795860000.1234, caller: 'a.go:1', msg: 'boom' }, `${M} | fatal | boom`),
  json('logrus', { level: 'warning', msg: 'boom', time: '2026-11-28T11:00:00+01:00' }, `${T} | warn | boom`),
  json('zerolog', { level: 'error', time: 1795860000, error: 'reset', message: 'boom' }, `${T} | error | boom: reset`),
  json('slog', { time: '2026-11-28T11:00:00.123456789+01:00', level: 'ERROR+2', msg: 'boom' }, `${M} | error | boom`),
  json(
    'ECS',
    { '@timestamp': T, 'log.level': 'ERROR', message: 'boom', 'ecs.version': '1.2.0' },
    `${T} | error | boom`,
  ),
  json(
    'ECS, nested',
    { '@timestamp': T, log: { level: 'error', logger: 'a' }, message: 'boom', error: { message: 'reset' } },
    `${T} | error | boom: reset`,
  ),
  json(
    'Logstash',
    {
      '@timestamp': '2026-11-28T11:00:00.123+01:00',
      '@version': '1',
      message: 'boom',
      level: 'ERROR',
      level_value: 40000,
    },
    `${M} | error | boom`,
  ),
  json(
    'log4j 2',
    { instant: { epochSecond: 1795860000, nanoOfSecond: 123456000 }, level: 'ERROR', message: 'boom' },
    `${M} | error | boom`,
  ),
  json(
    'logback',
    { sequenceNumber: 0, timestamp: 1795860000123, nanoseconds: 1, level: 'WARN', message: 'boom' },
    `${M} | warn | boom`,
  ),
  json(
    'GELF',
    { version: '1.1', host: 'h', short_message: 'boom', timestamp: 1795860000.123, level: 3, _app: 'a' },
    `${M} | error | boom`,
  ),
  json(
    'OpenTelemetry',
    { timeUnixNano: '1795860000123456789', severityNumber: 17, severityText: '', body: { stringValue: 'boom' } },
    `${M} | error | boom`,
  ),
  {
    format: 'OTLP',
    lines: [
      JSON.stringify({
        resourceLogs: [
          {
            resource: {},
            scopeLogs: [
              {
                logRecords: [
                  { timeUnixNano: '1795860000123456789', severityNumber: 13, body: { stringValue: 'first' } },
                  { timeUnixNano: '1795860000123456789', severityNumber: 21, body: { stringValue: 'second' } },
                ],
              },
            ],
          },
        ],
      }),
    ],
    entries: [`${M} | warn | first`, `${M} | fatal | second`],
  },
  json(
    'OpenTelemetry in Python',
    { body: 'boom', severity_number: '<SeverityNumber.ERROR: 17>', severity_text: 'ERROR', timestamp: M },
    `${M} | error | boom`,
  ),
  json(
    'Google Cloud',
    { severity: 'CRITICAL', timestamp: M, logName: 'a', jsonPayload: { message: 'boom' } },
    `${M} | fatal | boom`,
  ),
  json(
    'Google Cloud, text',
    { severity: 'DEFAULT', timestamp: M, insertId: 'a', textPayload: 'ERROR boom' },
    `${M} | error | boom`,
  ),
  json(
    'Google Cloud, structured',
    { severity: 'ERROR', message: 'boom', timestamp: { seconds: 1795860000, nanos: 123000000 } },
    `${M} | error | boom`,
  ),
  {
    format: 'Google Cloud, printed',
    lines: [
      '[',
      '  {',
      '    "insertId": "a",',
      '    "severity": "ERROR",',
      '    "textPayload": "boom",',
      `    "timestamp": "${M}"`,
      '  },',
      '  {',
      '    "severity": "INFO",',
      '    "textPayload": "fine",',
      `    "timestamp": "${M}"`,
      '  }',
      ']',
    ],
    entries: ['- | unknown | [', `${M} | error | boom`, `${M} | info | fine`],
  },
  json(
    'Azure',
    { time: M, resourceId: '/S/1', operationName: 'x', level: 'Error', properties: {}, message: 'boom' },
    `${M} | error | boom`,
  ),
  json('Azure Application Insights', { timestamp: M, severityLevel: 3, message: 'boom' }, `${M} | error | boom`),
  json('AWS Lambda JSON', { timestamp: M, level: 'ERROR', requestId: 'r', message: 'boom' }, `${M} | error | boom`),
  one(
    'AWS Lambda, Node',
    '2026-11-28T10:00:00.123Z\t6bc28136-xmpl-4365-b021-0ce6b2e64ab0\tERROR\tboom',
    `${M} | error | 6bc28136-xmpl-4365-b021-0ce6b2e64ab0\t\tboom`,
  ),
  one(
    'AWS Lambda, Python',
    '[ERROR]\t2026-11-28T10:00:00.123Z\t6bc28136-xmpl-4365-b021-0ce6b2e64ab0\tboom',
    `${M} | error | 6bc28136-xmpl-4365-b021-0ce6b2e64ab0\tboom`,
  ),
  json(
    'CloudWatch',
    { timestamp: 1795860000123, ingestionTime: 1795860009999, message: '[ERROR] boom\n' },
    `${M} | error | boom`,
  ),
  {
    format: 'CloudWatch subscription',
    lines: [
      JSON.stringify({
        messageType: 'DATA_MESSAGE',
        logEvents: [{ id: '1', timestamp: 1795860000123, message: 'ERROR boom' }],
      }),
    ],
    entries: [`${M} | error | boom`],
  },
  {
    format: 'CloudTrail',
    lines: [
      JSON.stringify({
        Records: [
          {
            eventTime: T,
            eventSource: 's3.amazonaws.com',
            eventName: 'GetObject',
            errorCode: 'AccessDenied',
            errorMessage: 'Access Denied',
          },
        ],
      }),
    ],
    entries: [`${T} | error | Access Denied`],
  },
  json('Serilog', { '@t': M, '@l': 'Error', '@m': 'boom' }, `${M} | error | boom`),
  json('Serilog, information', { '@t': M, '@mt': 'fine {X}', X: 1 }, `${M} | info | fine {X}`),
  json(
    '.NET JSON',
    { Timestamp: M, EventId: 17, LogLevel: 'Critical', Category: 'A', Message: 'boom' },
    `${M} | fatal | boom`,
  ),
  json(
    'Python json-logger',
    { asctime: '2026-11-28 10:00:00,123', levelname: 'ERROR', message: 'boom' },
    `${M} | error | boom`,
  ),
  json('structlog', { event: 'boom', level: 'error', timestamp: M }, `${M} | error | boom`),
  json(
    'loguru',
    {
      text: 'x',
      record: {
        level: { name: 'ERROR', no: 40 },
        message: 'boom',
        time: { repr: '2026-11-28 10:00:00.123456+00:00', timestamp: 1795860000.123 },
      },
    },
    `${M} | error | boom`,
  ),
  json(
    'Monolog',
    { message: 'boom', level: 400, level_name: 'ERROR', datetime: '2026-11-28T11:00:00.123456+01:00' },
    `${M} | error | boom`,
  ),
  json(
    'Rust tracing',
    { timestamp: M, level: 'ERROR', fields: { message: 'boom' }, target: 'a' },
    `${M} | error | boom`,
  ),
  json(
    'Winlogbeat',
    { '@timestamp': M, event: { code: 7000 }, log: { level: 'error' }, message: 'boom' },
    `${M} | error | boom`,
  ),
  json(
    'nginx JSON',
    { time_iso8601: '2026-11-28T11:00:00+01:00', request_method: 'GET', request_uri: '/a', status: '502' },
    `${T} | error | {"time_iso8601":"2026-11-28T11:00:00+01:00","request_method":"GET","request_uri":"/a","status":"502"}`,
  ),
  json(
    'Kubernetes audit',
    { kind: 'Event', verb: 'get', requestReceivedTimestamp: M, responseStatus: { code: 403 }, requestURI: '/api' },
    `${M} | warn | {"kind":"Event","verb":"get","requestReceivedTimestamp":"2026-11-28T10:00:00.123Z","responseStatus":{"code":403},"requestURI":"/api"}`,
  ),
  json('a number that is no time', { level: 'info', msg: 'done', time: 12.5, timestamp: T }, `${T} | info | done`),
  json('a time that no clock has', { level: 'error', time: 1e30, msg: 'x' }, '- | error | x'),
  json('a level that is a method', { level: 'constructor', msg: 'x' }, '- | unknown | x'),
  one('a level that is a prototype', '{"level":"__proto__","msg":"x"}', '- | unknown | x'),
  json('a local time', { time: '2026-11-28T10:00:00', level: 'info', msg: 'x' }, `${T} | info | x`),
  one(
    'an object that was cut off',
    '{"level":"error","time":"2026-11-28T10:00:00Z","msg":"boom","stack":"at x',
    `${T} | error | boom`,
  ),
  one('braces that are no object', '{not json', '- | unknown | {not json'),
  // Windows.
  one(
    'Windows event, XML',
    "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System><Provider Name='Service Control Manager'/><EventID>7000</EventID><Level>2</Level><TimeCreated SystemTime='2026-11-28T10:00:00.1234567Z'/></System><RenderingInfo><Message>boom</Message></RenderingInfo></Event>",
    `${M} | error | boom`,
  ),
  {
    format: 'Windows event, XML over lines',
    lines: [
      "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'>",
      '  <System>',
      "    <Provider Name='A' />",
      '    <Level>3</Level>',
      "    <TimeCreated SystemTime='2026-11-28T10:00:00.123Z' />",
      '  </System>',
      '</Event>',
    ],
    entries: [`${M} | warn | A`],
  },
  {
    format: 'Windows event, text',
    lines: [
      'Event[0]:',
      '  Log Name: System',
      '  Source: Service Control Manager',
      '  Date: 2026-11-28T10:00:00.123',
      '  Event ID: 7000',
      '  Level: Error',
      '  Description: ',
      'The service failed.',
    ],
    entries: [`${M} | error | Service Control Manager: The service failed.`],
  },
  json(
    'Windows event, JSON',
    { ProviderName: 'A', EventID: 7000, Level: 2, TimeCreated: '2026-11-28 10:00:00 +0000', Message: 'boom' },
    `${T} | error | boom`,
  ),
  json(
    'Windows event, PowerShell',
    { LevelDisplayName: 'Error', Level: 2, TimeCreated: '/Date(1795860000123)/', Message: 'boom' },
    `${M} | error | boom`,
  ),
  one(
    'Windows event, CSV',
    'Error,11/28/2026 10:00:00 AM,Service Control Manager,7000,None,"boom"',
    `${T} | error | Service Control Manager,7000,None,"boom"`,
  ),
  // Entries of several lines.
  {
    format: 'Java',
    lines: [
      '2026-11-28 10:00:00,123 ERROR [main] a.B - boom',
      'java.lang.IllegalStateException: bad',
      '\tat a.B.c(B.java:12)',
      '\t... 12 common frames omitted',
      'Caused by: java.io.IOException: disk',
      '\tat a.B.d(B.java:13)',
      '2026-11-28 10:00:00,123 INFO [main] a.B - fine',
    ],
    entries: [`${M} | error | [main] a.B - boom`, `${M} | info | [main] a.B - fine`],
  },
  {
    format: 'Java without a logger',
    lines: [
      'Exception in thread "main" java.lang.RuntimeException: boom',
      '\tat a.B.main(B.java:3)',
      'Caused by: java.io.IOException: disk',
      '\t... 1 more',
    ],
    entries: ['- | error | Exception in thread "main" java.lang.RuntimeException: boom'],
  },
  {
    format: 'Python',
    lines: [
      '2026-11-28 10:00:00,123 ERROR app boom',
      'Traceback (most recent call last):',
      '  File "/a.py", line 3, in f',
      '    g()',
      'ValueError: bad',
      '',
      'During handling of the above exception, another exception occurred:',
      '',
      'Traceback (most recent call last):',
      '  File "/a.py", line 5, in f',
      'KeyError: 1',
      '2026-11-28 10:00:00,123 INFO app fine',
    ],
    entries: [`${M} | error | app boom`, `${M} | info | app fine`],
  },
  {
    format: 'Python without a logger, after an entry that tells of no trouble',
    lines: [
      '2026-11-28 10:00:00,123 INFO app fine',
      'Traceback (most recent call last):',
      '  File "/a.py", line 3, in f',
      '    g()',
      'my.errors.Bad: bad',
    ],
    entries: [`${M} | info | app fine`, '- | error | my.errors.Bad: bad'],
  },
  {
    format: 'Node',
    lines: [
      '2026-11-28T10:00:00.123Z error: boom',
      'TypeError: x is not a function',
      '    at f (/a.js:3:7)',
      '    at async g (/a.js:9:1) {',
      "  code: 'E'",
      '}',
      '2026-11-28T10:00:00.123Z info: fine',
    ],
    entries: [`${M} | error | boom`, `${M} | info | fine`],
  },
  {
    format: 'Go',
    lines: [
      '2026/11/28 10:00:00 listening',
      'panic: runtime error: index out of range [1] with length 1',
      '',
      'goroutine 1 [running]:',
      'main.(*T).f(0x0)',
      '\t/app/main.go:8 +0x14',
      'main.main()',
      '\t/app/main.go:12 +0x1d',
      'exit status 2',
    ],
    entries: [`${T} | unknown | listening`, '- | fatal | runtime error: index out of range [1] with length 1'],
  },
  {
    format: '.NET',
    lines: [
      'Unhandled exception. System.InvalidOperationException: boom',
      ' ---> System.IO.IOException: disk',
      '   at A.B() in /a.cs:line 3',
      '   --- End of inner exception stack trace ---',
      '   at A.C() in /a.cs:line 9',
    ],
    entries: ['- | fatal | Unhandled exception. System.InvalidOperationException: boom'],
  },
  {
    format: 'Rust panic',
    lines: [
      "thread 'main' panicked at src/main.rs:2:5:",
      'index out of bounds',
      'note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace',
    ],
    entries: ["- | fatal | thread 'main' panicked at src/main.rs:2:5: index out of bounds"],
  },
  {
    format: 'PHP',
    lines: [
      '[28-Nov-2026 10:00:00 UTC] PHP Fatal error:  Uncaught Exception: boom in /a.php:3',
      'Stack trace:',
      '#0 /a.php(9): f()',
      '#1 {main}',
      '  thrown in /a.php on line 3',
    ],
    entries: [`${T} | fatal | PHP Fatal error:  Uncaught Exception: boom in /a.php:3`],
  },
  {
    format: 'Ruby',
    lines: ["/a.rb:3:in `f': boom (RuntimeError)", "\tfrom /a.rb:9:in `<main>'"],
    entries: ["- | error | /a.rb:3:in `f': boom (RuntimeError)"],
  },
  {
    format: 'a stack trace in Kubernetes, streams mixed',
    lines: [
      '2026-11-28T10:00:00.123456789Z stderr F 2026-11-28 10:00:00,123 ERROR boom',
      '2026-11-28T10:00:00.123456789Z stdout F 2026-11-28 10:00:00,123 INFO fine',
      '2026-11-28T10:00:00.123456789Z stderr F java.lang.IllegalStateException: bad',
      '2026-11-28T10:00:00.123456789Z stderr F \tat a.B.c(B.java:12)',
    ],
    entries: [`${M} | error | boom`, `${M} | info | fine`],
  },
  {
    format: 'a stack trace in Docker',
    lines: [
      JSON.stringify({ log: 'ERROR boom\n', stream: 'stderr', time: M }),
      JSON.stringify({ log: '    at f (/a.js:3:7)\n', stream: 'stderr', time: M }),
    ],
    entries: [`${M} | error | boom`],
  },
  {
    format: 'a stack trace with a time before each line',
    lines: [
      '2026-11-28T10:00:00.123Z ERROR boom',
      '2026-11-28T10:00:00.123Z \tat a.B.c(B.java:12)',
      '2026-11-28T10:00:00.123Z Caused by: java.io.IOException: disk',
    ],
    entries: [`${M} | error | boom`],
  },
  {
    format: 'a statement over lines',
    lines: [
      '2026-11-28 10:00:00.123 UTC [1] LOG:  statement: select 1',
      '\tfrom t',
      '\twhere level = ERROR',
      '2026-11-28 10:00:00.123 UTC [1] ERROR:  boom',
    ],
    entries: [`${M} | info | [1]   statement: select 1`, `${M} | error | [1]   boom`],
  },
];
