"""The state machines: one a file. A state changes in ``UnitOfWork.advance`` and nowhere else."""
