-- Lists of orders read one index in its order, however many orders there are: those that wait with the urgent ones first and
-- the longest waiting next, all others the latest first.
DROP INDEX orders_waiting;
DROP INDEX orders_by_state;
CREATE INDEX orders_by_state ON orders (state, urgency DESC, requested_at, order_id);
CREATE INDEX orders_by_state_and_time ON orders (state, requested_at, order_id);
CREATE INDEX orders_by_time ON orders (requested_at, order_id);
