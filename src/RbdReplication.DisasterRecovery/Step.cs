namespace RbdReplication.DisasterRecovery;

/// <summary>
/// A part of a procedure. It says what shall be, not what to change: one that is there already is not planned, so a procedure that was killed
/// goes on where it was when it is run again.
/// </summary>
/// <param name="What">What is done, for people.</param>
/// <param name="DoAsync">Does it; may be repeated.</param>
internal sealed record Step(string What, Func<CancellationToken, Task> DoAsync)
{
    /// <summary>Looks whether it is done: null then, else what is awaited.</summary>
    public Func<CancellationToken, Task<string?>> LookAsync { get; init; } = static _ => Task.FromResult<string?>(null);
}

/// <summary>What a procedure is going to do.</summary>
/// <param name="Steps">In order. None where there is nothing to do.</param>
/// <param name="Remarks">What people have to know before: what is lost, what could not be checked.</param>
/// <param name="Outcome">What is true when all steps are done.</param>
internal sealed record Plan(IReadOnlyList<Step> Steps, IReadOnlyList<string> Remarks, string Outcome);
