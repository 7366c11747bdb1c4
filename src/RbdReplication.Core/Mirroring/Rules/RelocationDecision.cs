namespace RbdReplication.Core;

/// <summary>An answer of the rules.</summary>
/// <param name="Refusal">Null: go ahead.</param>
/// <param name="Reason">What is seen and what to do, for people.</param>
public readonly record struct RelocationDecision(ReplicationError? Refusal, string Reason)
{
    /// <summary>Go ahead.</summary>
    public static RelocationDecision Allow(string reason) => new(null, reason);

    /// <summary>Refuse.</summary>
    public static RelocationDecision Refuse(ReplicationError error, string reason) => new(error, reason);
}
