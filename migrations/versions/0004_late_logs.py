"""When the log of a job that has ended is read again."""

import sqlalchemy as sa
from alembic import op

revision = "0004_beside_0003"
down_revision = "0003"
branch_labels = None
depends_on = None

_DUE = sa.text("log_due_at IS NOT NULL")


def upgrade() -> None:
    with op.batch_alter_table("jobs", schema=None) as batch_op:
        batch_op.add_column(sa.Column("log_due_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.create_index("ix_jobs_log_due", ["log_due_at"], unique=False, sqlite_where=_DUE, postgresql_where=_DUE)


def downgrade() -> None:
    with op.batch_alter_table("jobs", schema=None) as batch_op:
        batch_op.drop_index("ix_jobs_log_due", sqlite_where=_DUE, postgresql_where=_DUE)
        batch_op.drop_column("log_due_at")
