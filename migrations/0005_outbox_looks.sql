-- Keeps every look at the outbox short, however many messages wait and however many were delivered.
--
-- What must stay true: the planner has no reason to walk all that waits, also when it does not know yet how much that is.
-- Messages pile up within minutes, and until the table is analyzed again it believes that nothing waits, so that one
-- index seems as good as another. Nothing may be written to the table while the indexes are made: about a second for a
-- million rows.

-- What is due next, in the order in which it came due. The last condition always holds. It keeps this index away from
-- queries that do not ask for a time: those about one person have `outbox_messages_waiting`.
create index if not exists outbox_messages_due on outbox_messages (available_at, id)
    where delivered_at is null and dead_at is null and available_at is not null;

-- What became of one person's messages, among all that were ever delivered.
create index if not exists outbox_messages_of_user on outbox_messages (user_id, id);

-- Rows are changed a few times and then rest. By default nobody tidies up behind them, nor counts anew how many wait,
-- before a fifth of all there ever were has changed.
alter table outbox_messages set (
    autovacuum_vacuum_scale_factor = 0.01,
    autovacuum_vacuum_threshold = 1000,
    autovacuum_analyze_scale_factor = 0.01,
    autovacuum_analyze_threshold = 1000
);
