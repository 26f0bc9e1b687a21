"""The records that operations decide on, as they are stored. Amounts are in minor units.

The fields of a record are the columns of its table, in the order in which they are written
(migrations/0001). An operation changes a record and puts it into its unit of work.
"""
