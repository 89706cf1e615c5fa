DROP SEQUENCE tokenward.leak_number;
