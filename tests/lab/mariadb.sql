-- Without a user from elsewhere MariaDB turns everybody away before it says who it is. This one can log in nowhere.
CREATE USER 'lab'@'%' ACCOUNT LOCK;
