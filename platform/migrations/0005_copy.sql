-- The operator's copy: where the owner has an appliance copy to, and how that goes.

ALTER TABLE appliances ADD COLUMN copy_order BLOB;  -- the owner's last order, signed
ALTER TABLE appliances ADD COLUMN copy_said BLOB;   -- what the appliance says of it
