import os
import time

from batuta_client import AuthenticatedClient
from batuta_client.api.configs import configs_create
from batuta_client.api.executions import executions_events, executions_result, executions_start
from batuta_client.models import Config, EventPage, ExecuteBody, ExecutionResult, ExecutionResultStatus
from batuta_client.models import OrchestrationDefinition, OrchestrationDefinitionStrategy, Started, Step, StepCompletedEvent

client = AuthenticatedClient(base_url=os.environ["BATUTA_URL"], token=os.environ["BATUTA_API_KEY"], timeout=90)
body = OrchestrationDefinition(
    name=f"python-{time.time_ns()}",
    strategy=OrchestrationDefinitionStrategy.SEQUENTIAL,
    steps=[Step(id="hello", name="Hello", agent="echo", input_={"said": "hello"})],
)
config = configs_create.sync(client=client, body=body)
assert isinstance(config, Config), config
started = executions_start.sync(config.id, client=client, body=ExecuteBody(input_={"who": "world"}))
assert isinstance(started, Started), started
result = executions_result.sync(started.execution_id, client=client, wait="60s")
assert isinstance(result, ExecutionResult) and result.status == ExecutionResultStatus.COMPLETED, result
page = executions_events.sync(started.execution_id, client=client)
assert isinstance(page, EventPage), page
completed = [event.data.step_id for event in page.events if isinstance(event, StepCompletedEvent)]
assert completed == ["hello"], page
kinds = {type(event).__name__ for event in page.events}
assert {"ExecutionStartedEvent", "StepScheduledEvent", "ExecutionCompletedEvent"} <= kinds, kinds
print("created, executed, waited, read typed events")
