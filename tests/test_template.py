"""What template.yaml promises and sam validate does not see."""

import importlib.util
import itertools
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest

from tests.sandbox import template
from tests.sandbox.package import FUNCTIONS
from webadmit_exports.archive.alerts import RETRY_EVERY as ARCHIVE_RETRY_EVERY
from webadmit_exports.aws.start_queue import RETRY_EVERY
from webadmit_exports.aws.table import UNFINISHED_INDEX
from webadmit_exports.delivery.progress import Phase
from webadmit_exports.domain.callback_url import LIFETIME
from webadmit_exports.errors import InvalidInput
from webadmit_exports.shared_services import Settings

SOURCE = template.source()
RESOURCES: dict[str, Any] = template.translated()["Resources"]
DECLARED: dict[str, Any] = SOURCE["Resources"]


def of_type(type_name: str) -> dict[str, Any]:
    return {name: one["Properties"] for name, one in RESOURCES.items() if one["Type"] == type_name}


def texts(document: Any) -> Iterator[str]:
    """All strings in a document, keys too."""
    if isinstance(document, dict):
        for key, value in document.items():
            yield str(key)
            yield from texts(value)
    elif isinstance(document, list):
        for value in document:
            yield from texts(value)
    elif isinstance(document, str):
        yield document


# ── The public contract ─────────────────────────────────────────────────────────────────────────────────────────────


def test_the_logical_ids_of_the_contract_are_there() -> None:
    assert {
        "StartRunsFunction",
        "ReceiveCallbackFunction",
        "ReconcileRunsFunction",
        "CallbackApi",
        "ExportFilesTable",
        "ReadyTopic",
        "AlertsTopic",
        "StartRetryQueue",
        "WebAdmitApiKey",
        "CallbackSigningKey",
        "CheckSetupFunction",
        "ArchiveFileFunction",
        "ArchiveQueue",
        "ArchiveBucket",
        "ArchivedTopic",
        "SftpConnector",
        "SftpCredentials",
        "DeliveryMachine",
        "DeliverFileFunction",
        "DeliveredTopic",
        "DeliveriesTable",
    } <= set(RESOURCES)


def test_the_parameters_of_the_contract_are_there_and_each_is_described() -> None:
    assert {
        "Exports",
        "ScheduleExpression",
        "ScheduleTimezone",
        "FrequentExports",
        "FrequentScheduleExpression",
        "WebAdmitBaseUrl",
        "NotificationEmail",
        "AlertEmail",
        "AlertOnEmptyList",
        "ScheduleState",
        "OverdueAfterMinutes",
        "KeepRecordsDays",
        "SftpUrl",
        "SftpFolder",
        "SftpHostKeys",
        "HoldChangedFiles",
        "DeltaExports",
    } <= set(SOURCE["Parameters"])
    for name, parameter in SOURCE["Parameters"].items():
        assert parameter["Description"], name
        assert "Default" in parameter, f"{name} must not stand in the way of the first deploy"
        assert {"AllowedPattern", "AllowedValues", "MinValue"} & set(parameter), f"{name} takes anything"
        assert ("AllowedPattern" in parameter) == ("ConstraintDescription" in parameter), name


def test_every_parameter_stands_in_a_group_of_the_console() -> None:
    groups = SOURCE["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]

    assert sorted(name for group in groups for name in group["Parameters"]) == sorted(SOURCE["Parameters"])


def test_the_outputs_of_the_contract_are_there() -> None:
    assert set(SOURCE["Outputs"]) >= {
        "CallbackUrl",
        "WebAdmitApiKeyArn",
        "ExportFilesTableName",
        "ReadyTopicArn",
        "AlertsTopicArn",
        "StartRunsFunctionName",
        "ArchiveBucketName",
        "ArchivedTopicArn",
        "DeliveredTopicArn",
        "SftpCredentialsArn",
    }


def test_the_table_has_the_keys_of_the_contract() -> None:
    table = of_type("AWS::DynamoDB::Table")["ExportFilesTable"]

    assert [(key["AttributeName"], key["KeyType"]) for key in table["KeySchema"]] == [
        ("export_id", "HASH"),
        ("export_file_id", "RANGE"),
    ]
    assert table["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}
    assert [index["IndexName"] for index in table["GlobalSecondaryIndexes"]] == [UNFINISHED_INDEX]


def test_the_defaults_of_the_contract_stand() -> None:
    defaults = {name: parameter["Default"] for name, parameter in SOURCE["Parameters"].items()}

    assert (defaults["Exports"], defaults["FrequentExports"]) == ("", "")
    assert defaults["ScheduleExpression"] == "cron(30 3 * * ? *)"
    assert defaults["WebAdmitBaseUrl"] == "https://api.webadmit.org"
    assert defaults["KeepRecordsDays"] == 90


# ── Parameters that refuse bad input at deploy time ─────────────────────────────────────────────────────────────────

RSA = f"ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQ{'C7' * 170}=="
ECDSA = f"ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBB{'x' * 86}="

GOOD = [
    ("Exports", "37442:86446,Slate nightly*"),
    ("Exports", "Élèves & co. (2026/27) - l'été #1 + _x_,学生,Dean’s list"),
    ("FrequentExports", f"Hourly*,{'x' * 200}"),
    ("FollowedCycles", "1"),
    ("FollowedCycles", "9"),
    ("Exports", ""),
    ("Exports", "37442:86446"),
    ("Exports", ",".join(f"37442:{86446 + number}" for number in range(300))),
    ("ScheduleExpression", "cron(30 3 * * ? *)"),
    ("ScheduleExpression", "cron(0/15 6-20 ? * MON-FRI 2026)"),
    ("ScheduleTimezone", "America/Argentina/Buenos_Aires"),
    ("ScheduleTimezone", "UTC"),
    ("ScheduleTimezone", "Etc/GMT+5"),
    ("WebAdmitBaseUrl", "https://prelaunch.webadmit.org"),
    ("WebAdmitBaseUrl", "https://my-school.webadmit.org"),
    ("WebAdmitBaseUrl", "http://127.0.0.1:8080"),
    ("NotificationEmail", ""),
    ("AlertEmail", "team+webadmit@it.university.edu"),
    ("AlertOnEmptyList", "false"),
    ("ScheduleState", "DISABLED"),
    ("OverdueAfterMinutes", "60"),
    ("KeepRecordsDays", "365"),
    ("MorningMailExpression", ""),
    ("MorningMailExpression", "cron(30 7 ? * MON-FRI *)"),
    ("ArchiveFiles", "true"),
    ("ArchiveRetentionDays", "1"),
    ("ArchiveDownloadHosts", "webadmit-production.s3.amazonaws.com,files.liaison.example"),
    ("ArchiveMaxMegabytes", "5000"),
    ("Dashboard", "true"),
    ("PermissionsBoundaryArn", "arn:aws:iam::123456789012:policy/team/boundary"),
    ("RolePath", "/"),
    ("RolePath", "/service-roles/"),
    ("RolePath", "/team/admissions_1/"),
    ("Architecture", "arm64"),
    ("Architecture", "x86_64"),
    *[("SftpFolder", text) for text in ("/", "/incoming", "/incoming/liaison", "/home/a b/in.coming", "/.in")],
    *[("SftpHostKeys", text) for text in ("", RSA, ECDSA, f"{RSA},{ECDSA}", ",".join([RSA] * 10))],
    ("HoldChangedFiles", "false"),
    ("DeltaExports", "Daily changes*,37442:86446"),
]
BAD = [
    *[
        ("Exports", text)
        for text in ("37442:86446, 37442:86447", "37442:86446,", ",37442:86446", "a:b", "37442:", "-1:2")
    ],
    *[("Exports", text) for text in ("+1:2", "0:1", "37442:86446,,37442:86447", " ", "1:2\n", "٣:٤", "1:" + "9" * 19)],
    ("Exports", ",".join("123456789012345678:123456789012345678" for _ in range(200))),
    *[
        ("Exports", text)
        for text in (
            'Slate "nightly"',
            "Slate \\",
            "<Slate>",
            "Slate\tnightly",
            "Slate,,Banner",
            "Slate, Banner",
            "a@1",
        )
    ],
    *[
        ("Exports", text)
        for text in ("Slate ", "Slate\n", "“Slate”", "Sl\u200bate", "Slate\u00a0nightly", "Slate?", "a!")
    ],
    ("FrequentExports", "37442:86446 37442:86447"),
    ("FrequentExports", "Slate; Banner"),
    ("Exports", f"Slate,{'x' * 201}"),
    *[("FollowedCycles", text) for text in ("0", "10", "1.5", "two", "-1", "")],
    ("ScheduleExpression", "rate(1 day)"),
    ("ScheduleExpression", "30 3 * * ? *"),
    ("ScheduleExpression", "cron(30 3 * * ?)"),
    ("FrequentScheduleExpression", "hourly"),
    ("ScheduleTimezone", ""),
    ("ScheduleTimezone", "New York"),
    ("WebAdmitBaseUrl", "http://api.webadmit.org"),
    ("WebAdmitBaseUrl", "https://api.webadmit.org/api/v1"),
    ("WebAdmitBaseUrl", "https://user:word@api.webadmit.org"),
    ("WebAdmitBaseUrl", "http://127.0.0.1.example.org:80"),
    ("WebAdmitBaseUrl", "api.webadmit.org"),
    ("NotificationEmail", "a@b.edu,c@d.edu"),
    ("AlertEmail", "nobody"),
    ("AlertOnEmptyList", "maybe"),
    ("ScheduleState", "off"),
    ("OverdueAfterMinutes", "0"),
    ("OverdueAfterMinutes", "soon"),
    ("KeepRecordsDays", "7"),
    ("MorningMailExpression", "07:00"),
    ("PermissionsBoundaryArn", "boundary"),
    ("RolePath", ""),
    ("RolePath", "service-roles"),
    ("RolePath", "/service-roles"),
    ("RolePath", "service-roles/"),
    ("RolePath", "/service roles/"),
    ("RolePath", "//"),
    ("Architecture", "arm"),
    ("Architecture", "X86_64"),
    ("ArchiveFiles", "yes"),
    ("ArchiveRetentionDays", "0"),
    *[
        ("ArchiveDownloadHosts", text)
        for text in ("", "localhost", "127.0.0.1", "https://a.example", "a.example, b.example")
    ],
    *[("ArchiveDownloadHosts", text) for text in ("*.amazonaws.com", "a.example:8443", "a.example/x", "a@b.example")],
    ("ArchiveMaxMegabytes", "0"),
    ("ArchiveMaxMegabytes", "5001"),
    ("Dashboard", "yes"),
    *[("SftpUrl", text) for text in ("ft.technolutions.net", "https://a.example", "sftp://", "sftp://a.example/in")],
    *[
        ("SftpUrl", text)
        for text in ("sftp://me@a.example", "sftp://a.example:0", "sftp://a b", "sftp://-a", "ftp://a.b")
    ],
    *[
        ("SftpFolder", text)
        for text in ("incoming", "/incoming/", "//in", "/../etc", "/in/./x", "/in/..", "/in ", "/a\nb")
    ],
    *[("SftpHostKeys", text) for text in (f"{RSA} root@server", f"server {RSA}", RSA.split()[1], f"{RSA}, {ECDSA}")],
    *[("SftpHostKeys", text) for text in (RSA.replace("ssh-rsa", "ssh-ed25519"), "ssh-rsa AAAA", f"{RSA},")],
    ("HoldChangedFiles", "yes"),
    ("DeltaExports", "37442:86446,"),
]


@pytest.mark.parametrize(("name", "value"), GOOD)
def test_a_good_value_is_taken(name: str, value: str) -> None:
    template.check_parameters({name: value})


@pytest.mark.parametrize(("name", "value"), BAD)
def test_a_bad_value_is_refused_at_deploy_time(name: str, value: str) -> None:
    with pytest.raises(template.ParameterRefused, match=name):
        template.check_parameters({name: value})


SERVER = {"SftpUrl": "sftp://ft.technolutions.net:22", "SftpFolder": "/incoming", "SftpHostKeys": RSA}


def test_deliveries_want_an_archive_a_folder_and_a_host_key() -> None:
    template.check_parameters({**SERVER, "ArchiveFiles": "true"})

    for missing, words in {
        "ArchiveFiles": "ArchiveFiles=true",
        "SftpFolder": "SftpFolder",
        "SftpHostKeys": "ssh-keyscan",
    }.items():
        given = {name: value for name, value in {**SERVER, "ArchiveFiles": "true"}.items() if name != missing}
        with pytest.raises(template.ParameterRefused, match=words):
            template.check_parameters(given)


def test_about_300_pairs_of_todays_length_fit() -> None:
    pair = "37442:123456,"

    assert SOURCE["Parameters"]["Exports"]["MaxLength"] // len(pair) >= 300


def test_the_default_times_avoid_the_hours_that_a_night_in_the_us_may_lack_or_have_twice() -> None:
    for name in ("ScheduleExpression", "FrequentScheduleExpression"):
        hours = SOURCE["Parameters"][name]["Default"].removeprefix("cron(").split()[1]
        assert not set(range(int(hours.split("-")[0]), int(hours.split("-")[-1]) + 1)) & {1, 2}
    assert "02:00 to 02:59" in SOURCE["Parameters"]["ScheduleExpression"]["Description"]


# ── The machine of deliveries ───────────────────────────────────────────────────────────────────────────────────────

MACHINE = DECLARED["DeliveryMachine"]["Properties"]["Definition"]


def test_the_machine_ends_at_the_phases_in_which_a_delivery_ends() -> None:
    choices = MACHINE["States"]["How does it stand"]["Choices"]
    ends = {phase: choice["Next"] for choice in choices for phase in re.findall("'([^']+)'", choice["Condition"])}

    assert ends == {Phase.DELIVERED: "Done", Phase.HELD: "Done", Phase.GIVEN_UP: "Not delivered"}
    assert set(MACHINE["States"]) == {"Begin", "Step", "How does it stand", "Pause", "Done", "Not delivered"}


def test_the_machine_is_more_patient_than_a_delivery() -> None:
    (retry,) = MACHINE["States"]["Step"]["Retry"]
    pauses = [
        min(retry["IntervalSeconds"] * retry["BackoffRate"] ** n, retry["MaxDelaySeconds"])
        for n in range(retry["MaxAttempts"])
    ]

    assert timedelta(hours=12) < timedelta(seconds=sum(pauses)) < timedelta(hours=14)
    assert timedelta(seconds=MACHINE["TimeoutSeconds"]) > timedelta(hours=24 + 24 + 14)
    function = RESOURCES["DeliverFileFunction"]["Properties"]["Timeout"]
    assert MACHINE["States"]["Step"]["TimeoutSeconds"] > function


def test_copies_are_kept_for_longer_than_they_may_wait() -> None:
    (rule,) = DECLARED["OutgoingBucket"]["Properties"]["LifecycleConfiguration"]["Rules"]

    assert timedelta(days=rule["ExpirationInDays"]) >= timedelta(hours=18)  # six in AWS's queue, and twelve on its way


# ── Numbers that stand in two places ────────────────────────────────────────────────────────────────────────────────


def test_the_function_knows_how_often_the_queue_brings_a_message() -> None:
    queue = of_type("AWS::SQS::Queue")["StartRetryQueue"]
    environment = RESOURCES["StartRunsFunction"]["Properties"]["Environment"]["Variables"]

    assert environment["START_RETRY_ATTEMPTS"] == str(queue["RedrivePolicy"]["maxReceiveCount"])
    assert queue["VisibilityTimeout"] == queue["DelaySeconds"] == RETRY_EVERY.total_seconds()
    assert queue["RedrivePolicy"]["maxReceiveCount"] * RETRY_EVERY == timedelta(hours=12)
    assert queue["MessageRetentionPeriod"] > timedelta(hours=13).total_seconds()


def test_the_function_ends_before_a_message_comes_again() -> None:
    queue = of_type("AWS::SQS::Queue")["StartRetryQueue"]

    assert RESOURCES["StartRunsFunction"]["Properties"]["Timeout"] < queue["VisibilityTimeout"]


def test_the_queue_is_read_as_the_design_says() -> None:
    mapping = of_type("AWS::Lambda::EventSourceMapping")["StartRunsFunctionRetry"]

    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["ScalingConfig"] == {"MaximumConcurrency": 2}


def test_records_outlive_callback_addresses_by_far() -> None:
    shortest = timedelta(days=SOURCE["Parameters"]["KeepRecordsDays"]["MinValue"])

    assert shortest >= 2 * LIFETIME


def test_the_callback_function_ends_before_the_http_api_stops_waiting() -> None:
    assert RESOURCES["ReceiveCallbackFunction"]["Properties"]["Timeout"] < 30


# ── Environment ─────────────────────────────────────────────────────────────────────────────────────────────────────

FUNCTION_FOLDERS = {
    "StartRunsFunction": "start_runs",
    "ReceiveCallbackFunction": "receive_callback",
    "ReconcileRunsFunction": "reconcile_runs",
    "CheckSetupFunction": "check_setup",
    "SendMorningMailFunction": "send_morning_mail",
    "ArchiveFileFunction": "archive_file",
    "DeliverFileFunction": "deliver_file",
}
SET_BY_LAMBDA = {"AWS_LAMBDA_RUNTIME_API", "AWS_REGION"}


def noting(method: Callable[[Settings, str], str], read: set[str]) -> Callable[[Settings, str], str]:
    def note(settings: Settings, key: str) -> str:
        read.add(key)
        return method(settings, key)

    return note


def settings_read_by(folder: str, variables: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The names that a function reads while its app.py is imported; raises InvalidInput where one must be there."""
    read: set[str] = set()
    for name in ("setting", "optional"):
        method = getattr(Settings, name)
        monkeypatch.setattr(Settings, name, noting(method, read))
    for key in set().union(*map(variables_of, FUNCTION_FOLDERS)):
        monkeypatch.delenv(key, raising=False)
    for key, text in {**variables, "AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1"}.items():
        monkeypatch.setenv(key, text)
    spec = importlib.util.spec_from_file_location(f"app_of_{folder}", FUNCTIONS / folder / "app.py")
    assert spec
    assert spec.loader
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
    return read


POWERTOOLS = {"POWERTOOLS_SERVICE_NAME", "POWERTOOLS_LOG_LEVEL", "POWERTOOLS_METRICS_DISABLED"}
VALUES = {"WEBADMIT_BASE_URL": "https://api.webadmit.org"}  # all others may be 1


def variables_of(name: str) -> dict[str, str]:
    return {one: VALUES.get(one, "1") for one in RESOURCES[name]["Properties"]["Environment"]["Variables"]}


@pytest.mark.parametrize("name", FUNCTION_FOLDERS)
def test_every_setting_that_a_function_reads_is_set_and_its_own_are_read(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    declared = set(variables_of(name))
    shared = set(SOURCE["Globals"]["Function"]["Environment"]["Variables"])

    read = settings_read_by(FUNCTION_FOLDERS[name], variables_of(name), monkeypatch)

    # Mails that tell how to store the API key name its secret; these two functions send none of those.
    sends_none = name in ("ReceiveCallbackFunction", "DeliverFileFunction")
    not_told = {"WEBADMIT_API_KEY_ARN"} if sends_none else set()
    assert read - not_told <= declared | SET_BY_LAMBDA
    assert declared - shared <= read


def test_every_setting_that_all_functions_have_is_read_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    shared = set(SOURCE["Globals"]["Function"]["Environment"]["Variables"])

    read = [settings_read_by(folder, variables_of(name), monkeypatch) for name, folder in FUNCTION_FOLDERS.items()]

    assert shared - POWERTOOLS <= set().union(*read)


@pytest.mark.parametrize("name", FUNCTION_FOLDERS)
def test_a_setting_that_is_taken_out_of_a_function_is_missed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the test above would be one that cannot fail."""
    folder, variables = FUNCTION_FOLDERS[name], variables_of(name)
    for missing in settings_read_by(folder, variables, monkeypatch) & set(variables):
        rest = {one: text for one, text in variables.items() if one != missing}
        try:
            is_missed = missing in settings_read_by(folder, rest, monkeypatch) - set(rest)
        except InvalidInput as error:
            is_missed = missing in str(error)
        assert is_missed, missing


def test_nothing_else_reads_the_environment() -> None:
    for path in FUNCTIONS.rglob("*.py"):
        reads = re.findall(r"os\.environ|getenv", path.read_text(encoding="utf-8"))
        assert not reads or path.name == "app.py", path


# ── What an operations team and a security office look for ──────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", FUNCTION_FOLDERS)
def test_functions_run_python_313_from_one_folder(name: str) -> None:
    function = RESOURCES[name]["Properties"]

    assert (function["Runtime"], function["Architectures"]) == ("python3.13", [{"Ref": "Architecture"}])
    assert function["Handler"] == f"{FUNCTION_FOLDERS[name]}.app.handler"
    assert "CodeUri" not in DECLARED[name]["Properties"]


def test_no_resource_has_a_fixed_name() -> None:
    naming = re.compile(
        r"^(Name|TableName|TopicName|QueueName|FunctionName|RoleName|LogGroupName|BucketName|AlarmName)$"
    )
    for logical_id, resource in DECLARED.items():
        for key, value in resource.get("Properties", {}).items():
            if naming.match(key):
                assert "${AWS::StackName}" in json.dumps(value), f"{logical_id}.{key}"
    for logical_id, resource in RESOURCES.items():
        if resource["Type"] == "AWS::Scheduler::Schedule":
            assert "Name" not in resource["Properties"], logical_id


ALARMS = "arn:${AWS::Partition}:cloudwatch:${AWS::Region}:${AWS::AccountId}:alarm"
DESCRIBE_ALARMS = "cloudwatch:DescribeAlarms"


def test_each_function_has_a_role_of_its_own_with_inline_policies_on_single_resources() -> None:
    roles = [json.dumps(RESOURCES[name]["Properties"]["Role"]) for name in FUNCTION_FOLDERS]
    assert len(set(roles)) == len(roles)
    for name, role in of_type("AWS::IAM::Role").items():
        assert "ManagedPolicyArns" not in role, name
        for policy in role["Policies"]:
            for statement in statements(policy):
                # Objects come and go, and alarms can be listed by those only who may see all of them.
                objects = {f"${{OutgoingBucket.Arn}}/{folder}/*" for folder in ("outgoing", "listings")}
                alarms = {f"{ALARMS}:*"} if statement["Action"] == DESCRIBE_ALARMS else set()
                allowed = {"${ArchiveBucket.Arn}/*"} | objects | alarms
                vague = [text for text in texts(statement["Resource"]) if "*" in text and text not in allowed]
                assert not vague, f"{name} names no resource"
                assert not [text for text in texts(statement["Action"]) if "*" in text], f"{name} allows a wildcard"
    # A machine waits for its function, which waits for its role.
    assert set(of_type("AWS::IAM::Policy")) == {"StartDeliveryPolicy"}


def statements(policy: Mapping[str, Any]) -> Iterator[Any]:
    """Those of a policy, also those that hang on a condition."""
    for statement in policy["PolicyDocument"]["Statement"]:
        yield statement["Fn::If"][1] if "Fn::If" in statement else statement


def test_only_who_asks_webadmit_may_read_the_api_key() -> None:
    readers = {
        name
        for name, role in of_type("AWS::IAM::Role").items()
        if any("WebAdmitApiKey" in text for text in texts(role["Policies"]))
    }

    assert readers == {
        "StartRunsRole",
        "ReconcileRunsRole",
        "CheckSetupRole",
        "ArchiveFileRole",
        "SendMorningMailRole",
    }


def test_schedules_may_be_assumed_for_the_group_of_this_stack_only() -> None:
    for schedule in of_type("AWS::Scheduler::Schedule").values():
        assert schedule["GroupName"] == {"Ref": "ScheduleGroup"}
        role = RESOURCES[schedule["Target"]["RoleArn"]["Fn::GetAtt"][0]]["Properties"]
        (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
        assert set(statement["Condition"]["StringEquals"]) == {"aws:SourceAccount", "aws:SourceArn"}


def test_start_schedules_have_a_time_zone_and_give_the_scheduled_time() -> None:
    for name in ("StartRunsFunctionSchedule", "StartRunsFunctionFrequentSchedule"):
        schedule = RESOURCES[name]["Properties"]
        assert schedule["ScheduleExpressionTimezone"] == {"Ref": "ScheduleTimezone"}
        assert "<aws.scheduler.scheduled-time>" in schedule["Target"]["Input"]["Fn::Sub"]


def test_the_access_log_holds_no_path_and_the_api_is_throttled() -> None:
    api = DECLARED["CallbackApi"]["Properties"]

    assert not re.search(r"path|\$context\.http|queryString|headers", api["AccessLogSettings"]["Format"], re.IGNORECASE)
    assert "$context.routeKey" in api["AccessLogSettings"]["Format"]
    assert json.loads(api["AccessLogSettings"]["Format"])
    assert api["DefaultRouteSettings"]["ThrottlingRateLimit"] > 0


def test_the_records_stay_when_the_stack_goes() -> None:
    table = DECLARED["ExportFilesTable"]

    assert (table["DeletionPolicy"], table["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")
    assert table["Properties"]["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}


def test_the_api_key_is_no_parameter_and_its_secret_has_no_value_at_first() -> None:
    assert [name for name in SOURCE["Parameters"] if re.search("key|secret|token", name, re.IGNORECASE)] == [
        "SftpHostKeys"
    ]
    assert set(DECLARED["SftpCredentials"]["Properties"]) == {"Description"}
    assert set(DECLARED["WebAdmitApiKey"]["Properties"]) == {"Description"}
    assert DECLARED["CallbackSigningKey"]["Properties"]["GenerateSecretString"]["PasswordLength"] >= 32


def test_every_log_group_forgets() -> None:
    groups = of_type("AWS::Logs::LogGroup")

    assert len(groups) == len(FUNCTION_FOLDERS) + 1
    assert all(group["RetentionInDays"] == {"Ref": "LogRetentionDays"} for group in groups.values())
    for name in FUNCTION_FOLDERS:
        assert RESOURCES[name]["Properties"]["LoggingConfig"]["LogGroup"]["Ref"] in groups


def test_topics_and_queues_refuse_callers_without_tls() -> None:
    policies = [*of_type("AWS::SNS::TopicPolicy").values(), *of_type("AWS::SQS::QueuePolicy").values()]
    covered = [one["Ref"] for policy in policies for one in policy.get("Topics", []) + policy.get("Queues", [])]

    assert sorted(covered) == sorted([*of_type("AWS::SNS::Topic"), *of_type("AWS::SQS::Queue")])
    for policy in policies:
        denied = policy["PolicyDocument"]["Statement"][0]
        assert (denied["Effect"], denied["Principal"]) == ("Deny", "*")
        assert denied["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        # SQS and SNS take one resource in a statement, and a policy that is about the very queue or topic.
        (one,) = policy.get("Topics", []) + policy.get("Queues", [])
        for statement in policy["PolicyDocument"]["Statement"]:
            assert statement["Resource"] in (one, {"Fn::GetAtt": [one["Ref"], "Arn"]})


def test_nobody_but_alarms_and_ready_topic_is_let_in_by_a_policy_of_a_topic_or_queue() -> None:
    policies = [*of_type("AWS::SNS::TopicPolicy").values(), *of_type("AWS::SQS::QueuePolicy").values()]
    allowed = [one for policy in policies for one in policy["PolicyDocument"]["Statement"] if one["Effect"] == "Allow"]

    alarms, *announcements = sorted(allowed, key=lambda one: str(one["Principal"]))
    queues = [{"Fn::GetAtt": [name, "Arn"]} for name in ("ArchiveQueue", "ArchiveDeadLetterQueue")]
    assert [one["Resource"] for one in announcements] == queues
    for one in announcements:
        assert one["Principal"] == {"Service": "sns.amazonaws.com"}
        assert one["Condition"] == {"ArnEquals": {"aws:SourceArn": {"Ref": "ReadyTopic"}}}
    assert alarms["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    assert alarms["Resource"] == {"Ref": "AlertsTopic"}
    assert alarms["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}


def test_queues_are_encrypted_at_rest() -> None:
    assert all(queue["SqsManagedSseEnabled"] is True for queue in of_type("AWS::SQS::Queue").values())


def test_every_alarm_says_what_happened_and_what_to_do_and_tells_people() -> None:
    alarms = of_type("AWS::CloudWatch::Alarm")

    for name, alarm in alarms.items():
        description = alarm["AlarmDescription"]
        text = description["Fn::Sub"] if isinstance(description, dict) else description
        assert "sam " in text or "aws " in text, f"{name} names no command"
        assert len(text) <= 1024, f"CloudWatch takes no longer description than 1,024 characters: {name}"
        assert alarm["AlarmActions"] == [{"Ref": "AlertsTopic"}]
        assert "ActionsEnabled" not in alarm
    assert alarms["ReconcilerStoppedAlarm"]["TreatMissingData"] == "breaching"
    assert alarms["SetupProblemsAlarm"]["TreatMissingData"] == "ignore", "one problem is told once"


class Queue:
    """An SQS queue's metric, and an alarm over DIFF(FILL(metric, 0)) as CloudWatch evaluates it.

    After the user guide, "Evaluating an alarm": of the newest EvaluationPeriods periods, DatapointsToAlarm must breach.
    The metric of a queue that was idle comes late (SQS developer guide: up to fifteen minutes), and FILL takes what has
    not come for zero ("Using metric math", on FILL).
    """

    def __init__(self, alarm: Any, *, late_by: int) -> None:
        (expression,) = [one["Expression"] for one in alarm["Metrics"] if "Expression" in one]
        assert expression == "DIFF(FILL(waiting, 0))"
        assert alarm["ComparisonOperator"] == "GreaterThanThreshold"
        self.evaluated, self.needed = (
            alarm["EvaluationPeriods"],
            alarm.get("DatapointsToAlarm", alarm["EvaluationPeriods"]),
        )
        self.threshold, self.late_by = alarm["Threshold"], late_by
        self.levels: list[int] = []

    def goes_on(self, level: int, periods: int) -> list[bool]:
        """Whether the alarm rings after each of these periods, in which so many messages lie there."""
        rings = []
        for _ in range(periods):
            self.levels.append(level)
            late = self.late_by if len(self.levels) < self._first_message + 4 else 0
            arrived = self.levels[: len(self.levels) - late] + [0] * late
            differences = [now - before for before, now in itertools.pairwise([0] * self.evaluated + arrived)]
            rings.append(sum(one > self.threshold for one in differences[-self.evaluated :]) >= self.needed)
        return rings

    @property
    def _first_message(self) -> int:
        return next((number for number, level in enumerate(self.levels) if level), len(self.levels))


@pytest.mark.parametrize("name", ["NotArchivedAlarm", "StartsGivenUpAlarm"])
@pytest.mark.parametrize("late_by", [0, 1, 2, 3])
def test_each_message_in_a_dead_letter_queue_rings_also_where_its_metric_comes_late(late_by: int, name: str) -> None:
    alarm = of_type("AWS::CloudWatch::Alarm")[name]
    assert alarm["Metrics"][1]["MetricStat"]["Period"] == 300
    queue = Queue(alarm, late_by=late_by)

    assert not any(queue.goes_on(0, 12))
    assert any(queue.goes_on(1, 8)), "the first message"
    assert not any(queue.goes_on(1, 12)[-4:]), "a message that lies there must not silence the next"
    assert any(queue.goes_on(2, 4)), "the second message"


def test_what_sns_cannot_hand_to_the_archive_goes_to_its_dead_letter_queue() -> None:
    subscription = DECLARED["ArchiveSubscription"]

    target = {"deadLetterTargetArn": {"Fn::GetAtt": ["ArchiveDeadLetterQueue", "Arn"]}}
    assert subscription["Properties"]["RedrivePolicy"] == target
    assert "ArchiveDeadLetterQueuePolicy" in subscription["DependsOn"]


class Hours:
    """Looks at NoMorningMailAlarm as CloudWatch does: the sum of each hour's sweeps and a thousand times its mails."""

    def __init__(self, *, daily: bool) -> None:
        self.alarm = of_type("AWS::CloudWatch::Alarm")["NoMorningMailAlarm"]
        condition, every_day, otherwise = self.alarm["EvaluationPeriods"]["Fn::If"]
        assert condition == "MorningMailIsDaily"
        assert self.alarm["DatapointsToAlarm"] == self.alarm["EvaluationPeriods"]
        self.window = every_day if daily else otherwise

    def rings(self, hours: Sequence[tuple[int, int] | None]) -> bool:
        """`hours`: sweeps and mails of each hour since the stack was deployed; None: nothing ran at all."""
        values = [None if hour is None else hour[0] + 1000 * hour[1] for hour in hours]
        window = [*[None] * self.window, *values][-self.window :]
        assert self.alarm["TreatMissingData"] == "notBreaching"
        return all(value is not None and value < self.alarm["Threshold"] for value in window)


def test_a_day_without_a_morning_mail_rings_and_the_day_of_the_deployment_does_not() -> None:
    without, mail = (12, 0), (12, 1)
    night = [*[without] * 23, mail]

    hours = Hours(daily=True)

    assert not any(hours.rings([without] * number) for number in range(25)), "deployed just after seven"
    assert not any(hours.rings((night * 3)[:number]) for number in range(72))
    assert hours.rings([*night, *[without] * 26])
    assert not hours.rings([*night, *[without] * 30, mail]), "it came"
    assert not hours.rings([*night, *[None] * 40]), "where nothing runs at all, ReconcilerStoppedAlarm rings"


def test_a_morning_mail_on_working_days_does_not_ring_at_the_weekend() -> None:
    hours = Hours(daily=False)
    monday = [*[(12, 0)] * 71, (12, 1)]

    assert not any(hours.rings((monday * 2)[:number]) for number in range(144))
    assert not Hours(daily=False).rings([*[(12, 0)] * 167, (12, 1)] * 2), "once a week"
    assert hours.rings([(12, 0)] * 168)
    assert hours.window * 3600 <= 7 * 86_400, "CloudWatch looks back for a week at most"


@pytest.mark.parametrize(
    ("expression", "daily"),
    [
        ("cron(0 7 * * ? *)", True),
        ("cron(30 6 * * ? 2027)", True),
        ("cron(0 7 ? * MON-FRI *)", False),
        ("cron(0 7 1 * ? *)", False),
        ("cron(0 7 * 9-12 ? *)", False),
        ("", False),
    ],
)
def test_whether_the_morning_mail_is_daily_is_told_from_its_expression(expression: str, *, daily: bool) -> None:
    left, right = SOURCE["Conditions"]["MorningMailIsDaily"]["Fn::Equals"]
    separator, parts = right["Fn::Join"]

    def part(selected: Any) -> str:
        number, split = selected["Fn::Select"]
        by, text = split["Fn::Split"]
        return str(text["Fn::Sub"].replace("${MorningMailExpression}", expression).split(by)[number])

    assert (separator.join(map(part, parts)) == left) is daily


def test_only_the_reconciler_and_what_it_starts_tell_of_runs_and_the_callback_cannot() -> None:
    publishers = {
        name
        for name, role in of_type("AWS::IAM::Role").items()
        for policy in role["Policies"]
        for statement in statements(policy)
        if statement["Action"] == "sns:Publish" and "AlertsTopic" in texts(statement["Resource"])
    }

    assert publishers == {
        "StartRunsRole",
        "ReconcileRunsRole",
        "SendMorningMailRole",
        "ArchiveFileRole",
        "DeliverFileRole",
    }


def test_an_error_of_the_start_rings_whether_or_not_it_heals() -> None:
    alarm = of_type("AWS::CloudWatch::Alarm")["StartRunsFailAlarm"]

    assert (alarm["MetricName"], alarm["Namespace"], alarm["Threshold"]) == ("Errors", "AWS/Lambda", 0)
    assert alarm["Dimensions"] == [{"Name": "FunctionName", "Value": {"Ref": "StartRunsFunction"}}]


def test_a_start_that_failed_as_a_whole_goes_to_the_queue_that_brings_it_back() -> None:
    queue = {"Fn::GetAtt": ["StartRetryQueue", "Arn"]}
    config = next(
        one
        for one in of_type("AWS::Lambda::EventInvokeConfig").values()
        if one["FunctionName"] == {"Ref": "StartRunsFunction"}
    )

    assert config["DestinationConfig"]["OnFailure"]["Destination"] == queue
    for name in ("StartRunsFunctionSchedule", "StartRunsFunctionFrequentSchedule"):
        assert RESOURCES[name]["Properties"]["Target"]["DeadLetterConfig"] == {"Arn": queue}


def test_nothing_is_charged_for_metrics_and_a_dashboard_unless_they_are_wanted() -> None:
    dashboard = RESOURCES["RunsDashboard"]
    disabled = SOURCE["Globals"]["Function"]["Environment"]["Variables"]["POWERTOOLS_METRICS_DISABLED"]

    assert SOURCE["Parameters"]["Dashboard"]["Default"] == "false"
    assert dashboard["Condition"] == SOURCE["Outputs"]["DashboardUrl"]["Condition"] == "DashboardIsOn"
    assert disabled == {"Fn::If": ["DashboardIsOn", "false", "true"]}
    namespaces = {text for alarm in of_type("AWS::CloudWatch::Alarm").values() for text in texts(alarm)}
    assert "WebAdmitExports" not in namespaces, "an alarm would miss its metric where the dashboard is off"


def test_the_build_is_the_same_for_all_functions() -> None:
    """SAM builds once for all functions that differ in nothing that it looks at, metadata among it."""
    assert not [name for name in FUNCTION_FOLDERS if "Metadata" in DECLARED[name]]


def test_display_names_are_short_enough_whatever_the_stack_is_called() -> None:
    for topic in of_type("AWS::SNS::Topic").values():
        assert isinstance(topic["DisplayName"], str)
        assert len(topic["DisplayName"]) <= 100


def test_path_and_permissions_boundary_are_put_on_every_role() -> None:
    for name, role in of_type("AWS::IAM::Role").items():
        assert role["PermissionsBoundary"]["Fn::If"][:2] == [
            "HasPermissionsBoundary",
            {"Ref": "PermissionsBoundaryArn"},
        ], name
        assert role["Path"]["Fn::If"][:2] == ["HasRolePath", {"Ref": "RolePath"}], name


# ── The archive ─────────────────────────────────────────────────────────────────────────────────────────────────────

ARCHIVE = {name: one for name, one in RESOURCES.items() if one.get("Condition") == "FilesAreArchived"}


def test_nothing_of_the_archive_is_deployed_where_it_is_off_and_nothing_else_hangs_on_it() -> None:
    assert SOURCE["Parameters"]["ArchiveFiles"]["Default"] == "false"
    assert {"ArchiveFileFunction", "ArchiveFileFunctionAnnouncement", "ArchiveQueue", "ArchiveBucket"} <= set(ARCHIVE)
    assert [name for name in RESOURCES if "Archive" in name and name not in ARCHIVE] == []
    for name, output in SOURCE["Outputs"].items():
        assert (output.get("Condition") == "FilesAreArchived") is ("Archive" in name), name


def test_the_archive_is_fed_by_one_message_at_a_time_for_twelve_hours() -> None:
    mapping, queue = (ARCHIVE[name]["Properties"] for name in ("ArchiveFileFunctionAnnouncement", "ArchiveQueue"))
    function = ARCHIVE["ArchiveFileFunction"]["Properties"]

    assert (mapping["BatchSize"], mapping["FunctionResponseTypes"]) == (1, ["ReportBatchItemFailures"])
    assert (function["Timeout"], queue["VisibilityTimeout"]) == (900, 960)
    assert queue["VisibilityTimeout"] == ARCHIVE_RETRY_EVERY.total_seconds()
    attempts = queue["RedrivePolicy"]["maxReceiveCount"]
    assert function["Environment"]["Variables"]["ARCHIVE_ATTEMPTS"] == str(attempts)
    assert attempts * ARCHIVE_RETRY_EVERY == timedelta(hours=12)
    assert queue["MessageRetentionPeriod"] > timedelta(hours=13).total_seconds()
    assert ARCHIVE["ArchiveSubscription"]["Properties"]["TopicArn"] == {"Ref": "ReadyTopic"}


def test_the_bucket_is_private_encrypted_versioned_and_stays() -> None:
    bucket = ARCHIVE["ArchiveBucket"]
    properties = bucket["Properties"]

    assert (bucket["DeletionPolicy"], bucket["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")
    assert set(properties["PublicAccessBlockConfiguration"].values()) == {True}
    assert len(properties["PublicAccessBlockConfiguration"]) == 4
    assert properties["VersioningConfiguration"] == {"Status": "Enabled"}
    assert properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert properties["NotificationConfiguration"] == {"EventBridgeConfiguration": {"EventBridgeEnabled": True}}
    (denied,) = ARCHIVE["ArchiveBucketPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert (denied["Effect"], denied["Principal"], denied["Action"]) == ("Deny", "*", "s3:*")
    assert denied["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert len(denied["Resource"]) == 2


def test_files_expire_with_all_that_they_leave() -> None:
    days = {"Ref": "ArchiveRetentionDays"}
    rules = ARCHIVE["ArchiveBucket"]["Properties"]["LifecycleConfiguration"]["Rules"]

    assert [{name: value for name, value in rule.items() if name not in ("Id", "Status")} for rule in rules] == [
        {"ExpirationInDays": days, "NoncurrentVersionExpiration": {"NoncurrentDays": days}},
        {"ExpiredObjectDeleteMarker": True},
        {"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}},
    ]
    assert {rule["Status"] for rule in rules} == {"Enabled"}


def test_the_policy_for_readers_only_reads() -> None:
    policy = ARCHIVE["ArchiveReaderPolicy"]["Properties"]

    actions = [text for one in policy["PolicyDocument"]["Statement"] for text in texts(one["Action"])]
    assert all(re.match(r"s3:(Get|List)\w+$", action) for action in actions)
    assert set(policy) == {"Description", "PolicyDocument"}


def test_the_version_stands_in_one_place_and_has_an_entry_in_the_changelog() -> None:
    version = SOURCE["Globals"]["Function"]["Environment"]["Variables"]["VERSION"]
    text = (FUNCTIONS.parent / "template.yaml").read_text(encoding="utf-8")
    entries = re.findall(
        r"^## ([0-9.]+), ", (FUNCTIONS.parent / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE
    )

    assert SOURCE["Outputs"]["Version"]["Value"] == version == entries[0]
    assert text.count(version) == 1
