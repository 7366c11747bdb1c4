namespace RbdReplication.Core;

/// <summary>The calls of replication that change or judge something, for a volume and for a volume group alike. All are idempotent: repeating a call leads to the same end.</summary>
public interface IReplication
{
    /// <summary>Starts mirroring.</summary>
    Task EnableAsync(VolumeRequest request, ReplicationParameters parameters, CancellationToken cancellationToken);

    /// <summary>Makes this site's images primary and gives them their schedule.</summary>
    Task PromoteAsync(VolumeRequest request, ReplicationParameters parameters, bool force, CancellationToken cancellationToken);

    /// <summary>Makes this site's images secondary, and reports success only when the peer holds all their data.</summary>
    /// <param name="request">The volume or volume group.</param>
    /// <param name="force">Demote even though no peer can take the data over now.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    Task DemoteAsync(VolumeRequest request, bool force, CancellationToken cancellationToken);

    /// <summary>
    /// Tells whether secondary images hold all that their peer had. With force, those that have parted from their peer are thrown away and copied
    /// again.
    /// </summary>
    /// <returns>True once they hold everything.</returns>
    Task<bool> ResyncAsync(VolumeRequest request, bool force, CancellationToken cancellationToken);

    /// <summary>Stops mirroring and removes the schedule.</summary>
    /// <param name="request">The volume or volume group.</param>
    /// <param name="force">Disable secondary images too; their copies stay as ordinary images.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    Task DisableAsync(VolumeRequest request, bool force, CancellationToken cancellationToken);

    /// <summary>Time, size and health of the replication of primary images.</summary>
    /// <exception cref="ReplicationException">NotFound: nothing is known yet, as it is in the first minutes of a primary.</exception>
    Task<ReplicationInfo> GetInfoAsync(VolumeRequest request, CancellationToken cancellationToken);
}
