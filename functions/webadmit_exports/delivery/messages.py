"""What people and programs are told about deliveries. Pure."""

from dataclasses import dataclass
from datetime import datetime

from webadmit_exports.delivery.columns import Columns, in_json, named
from webadmit_exports.delivery.hold import Difference
from webadmit_exports.delivery.progress import Delivery
from webadmit_exports.delivery.receipt import Receipt
from webadmit_exports.domain.announcement import EventType, event_id
from webadmit_exports.domain.foreign_text import shown
from webadmit_exports.domain.times import utc_seconds
from webadmit_exports.messages.delivery_problems import DeliveryProblem
from webadmit_exports.messages.message import Body, Message, MessageWriter, file_attributes
from webadmit_exports.messages.text import counted, paragraphs, table


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryMessages:
    """Writes the messages."""

    writer: MessageWriter

    def delivered(self, delivery: Delivery, columns_added: Columns, *, repeated: bool) -> Message:
        """The file lies in its folder; `repeated` if that was said before and a person had it sent once more."""
        receipt = delivery.receipt
        fields: Body = {"remote_path": delivery.path}
        if columns_added:
            fields["columns_added"] = in_json(columns_added)
        if repeated:
            fields["repeated"] = True
        rows = "" if receipt.rows is None else f" ({counted(receipt.rows, 'record')})"
        return self._message(
            receipt,
            EventType.DELIVERED,
            event_id(EventType.DELIVERED, receipt.event_id),
            f"{'again: ' if repeated else ''}{{export}} is delivered{rows}",
            f"The file of export {receipt.export.export_id} lies on the SFTP server, whole{rows}:",
            delivery.path,
            f"Columns that are new at its end: {named(columns_added)}." if columns_added else "",
            fields=fields,
        )

    def held(self, receipt: Receipt, difference: Difference) -> Message:
        """The file is held back, because it may break the next load."""
        reason, changes = " ".join(map(str, difference.reasons)), difference.columns
        advice = (
            "See whether the system that reads the file can take it as it is, and correct its mapping, or the export in"
            f" WebAdMIT. To let the file through: {self._release(receipt)} Later files are then compared with it."
        )
        fields: Body = {"reason": reason, "advice": advice, **changes.fields}
        if difference.previous_rows is not None:
            fields["last_delivered_rows"] = difference.previous_rows
        return self._message(
            receipt,
            EventType.DELIVERY_HELD,
            event_id(EventType.DELIVERY_HELD, receipt.event_id),
            "{export} is held back: it may break the next load",
            f"The file of export {receipt.export.export_id} is in the archive, and was not sent to the SFTP server."
            f" {reason}",
            f"What to do: {advice} Until then, later files that differ in the same way are held back too.",
            self._about(receipt),
            fields=fields,
        )

    def failed(
        self, delivery: Delivery, problem: DeliveryProblem, detail: str, retry_until: datetime | None
    ) -> Message:
        """The file is not delivered; `retry_until`: None where nobody will try again."""
        receipt = delivery.receipt
        reason = problem.reason(detail)
        advice = problem.advice(
            self.writer.commands, "DeliverFileFunction", folder=delivery.folder, partial=delivery.partial
        )
        fields: Body = {"reason": reason, "remote_path": delivery.path}
        if retry_until:
            fields["retry_until"] = utc_seconds(retry_until)
            next_try = (
                f"It is tried again until {self.writer.time(retry_until)}. Once the cause is repaired, this file and"
                " others that wait are delivered by themselves. Others with the same cause bring no mail of their own."
            )
        else:
            advice = f"{advice} To have it sent again: {self._release(receipt)}"
            next_try = (
                "It is not tried again. Others with the same cause, which are given up after twelve hours too, bring no"
                " mail of their own: the morning mail lists them."
            )
        fields["advice"] = advice
        not_delivered = "not delivered yet" if retry_until else "not delivered"
        return self._message(
            receipt,
            EventType.DELIVERY_FAILED,
            event_id(EventType.DELIVERY_FAILED, receipt.event_id, problem.name, "later" if retry_until else "never"),
            f"{{export}} is {not_delivered}: {problem.headline}",
            f"The file of export {receipt.export.export_id} is in the archive, but {not_delivered}. {reason}",
            next_try,
            f"What to do: {advice}",
            self._about(receipt),
            fields=fields,
        )

    def _message(
        self, receipt: Receipt, event_type: EventType, identifier: str, subject: str, *mail: str, fields: Body
    ) -> Message:
        return self.writer.message(
            event_type,
            identifier,
            subject=self.writer.about_export(subject, receipt.export.export_id, receipt.labels.export_name),
            mail=paragraphs(*mail, self.writer.signature()),
            fields={**receipt.fields, **fields},
            attributes=file_attributes(receipt.body["status"], receipt.export, receipt.labels),
        )

    def _about(self, receipt: Receipt) -> str:
        bucket, key, _ = receipt.object
        return table(
            {
                "Export": f"{receipt.export.export_id} (identity {receipt.export.user_identity_id})",
                "Name": shown(receipt.labels.export_name),
                "Program": shown(receipt.labels.program),
                "File": str(receipt.export_file_id),
                "Finished": self.writer.time(receipt.finished_at),
                "Archived": f"s3://{bucket}/{key}",
            }
        )

    def _release(self, receipt: Receipt) -> str:
        ids = {"export_id": receipt.export.export_id, "export_file_id": receipt.export_file_id}
        return self.writer.commands.with_event("DeliverFileFunction", "deliver", ids)
