"""--mode audit: what a policy would refuse is let through and recorded."""
import json
import threading

from admin_env import AdminEnv
from behaviour_learn import CREATE, DIR, JSON, audit, body, create, host, requests
from facts import id_of
from fake_dockerd import response
from harness import Client, Env, Suite, check, equal, wait_for

suite = Suite()


@suite.test
def refusal_goes_on():
    """what the policy refuses reaches the daemon and is recorded with its reason, unchanged"""
    text = host(Privileged=True, CapAdd=["NET_ADMIN"])
    with audit(role="read-only") as env:
        equal(create(env, text).status, 200, "status")
        equal([(r.path, r.body) for r in env.fake.requests],
              [("/containers/create", text)], "what the daemon got")
        line = requests(env)[0]
        equal((line["decision"], line["would_deny"], line["rule"], line["role"]),
              ("allow", True, "allow", "builtin:read-only"), "the line")
        check("its \"allow\" does not hold this operation" in line["reason"], line["reason"])
        uses = line["uses"]
        equal((uses["containers.privileged"], uses["containers.cap_add"], uses["images.allow"]),
              (True, ["NET_ADMIN"], ["docker.io/library/nginx"]), "uses")


@suite.test
def first_refusal_is_told():
    """the reason, the field and the rule are those of the refusal"""
    with audit(role="default") as env:
        create(env, host(Privileged=True))
        line = requests(env)[0]
        equal((line["would_deny"], line["field"], line["rule"]),
              (True, "HostConfig.Privileged", "containers.privileged"), "the line")


@suite.test
def allowed_is_no_would_deny():
    """what the policy allows is recorded as ever"""
    with audit(role="default") as env:
        equal(create(env, host()).status, 200, "status")
        line = requests(env)[0]
        check("would_deny" not in line and "reason" not in line, line)
        check("uses" in line, line)


@suite.test
def still_refused():
    """what could be understood in two ways, other versions, and what nobody knows stay refused"""
    form = ["Content-Type: application/x-www-form-urlencoded"]
    rows = [
        ("POST", CREATE, b'{"Image":"a","Image":"b"}', JSON, 400),
        ("POST", CREATE, b'{"Image":', JSON, 400),
        ("POST", "/v1.44/images/create?fromImage=a", b"fromImage=evil", form, 400),
        ("GET", "/v1.10/containers/json", None, [], 400),
        ("GET", "/v1.44/containers/json?all=1&all=0", None, [], 400),
        ("GET", "/v1.44/nonsense", None, [], 403),
        ("POST", "/v1.44/volumes/prune?unheard=1", None, [], 403),
        ("GET", "/v1.44/containers/json", None, ["Origin: http://evil.example"], 403),
    ]
    with audit(role="read-only") as env:
        for method, target, text, headers, status in rows:
            with Client(env.socket) as client:
                equal(client.ask(method, target, text, headers).status, status,
                      f"{method} {target}")
        equal(env.fake.requests, [], "what the daemon got")
        check(not any(line.get("would_deny") for line in env.audit()), "a would_deny")


@suite.test
def nobody_is_served():
    """without a role for the client all goes on, and is recorded as of no role"""
    with audit(policy="none.json") as env:
        equal(env.ask("GET", "/v1.44/containers/json").status, 200, "status")
        line = requests(env)[0]
        check(line["would_deny"] and "role" not in line, line)


@suite.test
def failed_look_up():
    """a look-up that fails does not refuse; the reason says that it failed"""
    with audit(role="default") as env:
        env.fake.handle("/containers/web/json",
                        lambda conn, _: conn.send(response(b'{"message":"no"}', "500 No")))
        equal(env.ask("POST", "/containers/web/exec", b'{"Cmd":["id"]}', JSON).status, 200,
              "status")
        line = requests(env)[0]
        check(line["would_deny"] and "needs a look at container" in line["reason"], line)


@suite.test
def late_look_up():
    """what was told in time still holds when another answer is late, which refuses nothing"""
    with audit("--upstream-timeout", "2", role="default") as env:
        late = threading.Event()
        env.fake.facts = {"volume": {"told": {"Name": "told", "Driver": "local", "Options": {
            "type": "none", "o": "bind", "device": "/srv/" + "x" * 3000}}}}
        env.fake.handle("/volumes/late", lambda conn, _: late.wait(20) and False)
        answer = create(env, host(Binds=["told:/a", "late:/b"]))
        late.set()
        equal(answer.status, 200, "status")
        line = requests(env)[0]
        check(line["would_deny"] and line["rule"] == "containers.binds", line)


@suite.test
def made_and_kept():
    """a container that was made is not judged again, nor removed for want of an answer"""
    for role in ("default", "all"):
        with audit("--upstream-timeout", "9", role=role) as env:
            looks, late = [], threading.Event()

            def volume(conn, _, looks=looks, late=late):
                looks.append(conn)
                return conn.send(response(b'{"Name":"v","Driver":"local","Options":null}')) \
                    if len(looks) == 1 else late.wait(20) and False
            env.fake.handle("/volumes/v", volume)
            env.fake.handle("/containers/create", lambda conn, _: conn.send(response(
                b'{"Id":"%s","Warnings":[]}' % (b"c" * 64), "201 Created")))
            answer = create(env, host(Binds=["v:/a"], Privileged=True))
            late.set()
            equal((answer.status, [r.method for r in env.fake.requests], len(looks)),
                  (201, ["POST"], 1), "what came of " + role)


@suite.test
def missing_objects():
    """what is not there is the daemon's to say, and no refusal of the policy"""
    with audit(role="default") as env:
        env.fake.facts = {"container": {"none": "No such container: none"}}
        env.ask("POST", "/containers/none/exec", b'{"Cmd":["id"]}', JSON)
        line = requests(env)[0]
        equal((line["decision"], line.get("would_deny"), line.get("reason")),
              ("allow", None, None), "the line")
        equal(len(env.fake.requests), 1, "requests that the daemon got")


@suite.test
def existing_containers():
    """what a container has that is reached into is looked up, and learnt"""
    with audit(role="read-only") as env:
        equal(env.ask("POST", "/containers/web/exec", b'{"Cmd":["id"],"User":"www"}',
                      JSON).status, 200, "status")
        check(env.fake.lookups, "nothing was looked up")
        uses = requests(env)[0]["uses"]
        equal((uses["exec.commands"], uses["exec.users"]), (["id"], ["www"]), "uses")
        check("images.allow" in uses, f"the container's image is not in {uses}")


@suite.test
def own_commands():
    """a command that would have been refused is the role's own when it is started"""
    with audit(role="read-only") as env:
        made = id_of("command")
        env.fake.handle("/containers/web/exec", lambda conn, _: conn.send(
            response(json.dumps({"Id": made}).encode(), "201 Created")))
        env.ask("POST", "/containers/web/exec", b'{"Cmd":["id"]}', JSON)
        env.ask("POST", f"/exec/{made}/start", b'{"Detach":true}', JSON)
        line = requests(env)[-1]
        equal(line["operation"], "ExecStart", "operation")
        check("uses_lack" not in line, line)


@suite.test
def said_loudly():
    """the log says at the start that nothing is refused"""
    with audit(role="default") as env:
        wait_for(lambda: "NOTHING IS REFUSED BY THE POLICY" in env.stderr(), "the warning")
    with Env(role="default") as env:
        wait_for(lambda: "listening on" in env.stderr(), "the start is told")
        check("NOTHING IS REFUSED" not in env.stderr(), env.stderr())


@suite.test
def counted():
    """metrics tell the mode, and would_deny from allow"""
    with AdminEnv("--mode", "audit", role="read-only") as env:
        create(env, host())
        env.ask("GET", "/containers/json")
        metrics = env.metrics()
        equal(metrics.get("sockwarden_audit_mode"), 1, "mode")
        for decision, operation in (("would_deny", "ContainerCreate"), ("allow", "ContainerList")):
            equal(metrics.get("sockwarden_requests_total", operation=operation, decision=decision,
                              role="builtin:read-only", listener=DIR + env.socket), 1, decision)
    with AdminEnv(role="read-only") as env:
        equal(env.metrics().get("sockwarden_audit_mode"), 0, "mode")


@suite.test
def no_secrets():
    """uses hold no value of environment, labels, options or build arguments"""
    secret = "c2VjcmV0LXNlY3JldA"
    text = body(Env=[f"TOKEN={secret}"], Labels={"a": secret}, Cmd=["sh", secret],
                HostConfig={"LogConfig": {"Type": "splunk", "Config": {"splunk-token": secret}},
                            "Mounts": [{"Type": "volume", "Source": "v", "Target": "/v",
                                        "VolumeOptions": {"DriverConfig": {
                                            "Name": "nfs", "Options": {"password": secret}}}}]})
    with audit(role="read-only") as env:
        equal(create(env, text).status, 200, "status")
        env.ask("POST", f"/v1.44/build?buildargs=%7B%22A%22%3A%22{secret}%22%7D&t=a")
        env.ask("POST", "/v1.44/containers/web/exec",
                json.dumps({"Cmd": ["sh", "-c", secret], "Env": [secret]}).encode(), JSON)
        with open(env.audit_path, encoding="utf-8") as file:
            check(secret not in file.read(), "a secret is in the log")
        equal(requests(env)[0]["uses"]["containers.log_options"], ["splunk-token"], "options")


@suite.test
def long_lines():
    """what needs more than a line holds is cut, and said"""
    text = host(Binds=[f"/srv/{'d' * 200}{i}:/m{i}" for i in range(150)])
    with audit(role="read-only") as env:
        equal(create(env, text).status, 200, "status")
        with open(env.audit_path, "rb") as file:
            check(all(len(line) < 16 << 10 for line in file), "a line is too long")
        check("more than a line holds" in requests(env)[0]["uses_lack"], requests(env)[0])
