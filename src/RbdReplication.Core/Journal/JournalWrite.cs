namespace RbdReplication.Core;

/// <summary>How the writing of one volume's entries ended.</summary>
/// <param name="IsOvertaken">Somebody else wrote the same entry at the same time, or what the plan rests on is gone: plan again.</param>
/// <param name="Failure">Why it failed; null if it succeeded or was overtaken.</param>
public readonly record struct JournalWrite(bool IsOvertaken, ReplicationException? Failure);
